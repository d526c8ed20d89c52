//! The documents that voice requests are answered with.
//!
//! A [`Document`] is a tree of verbs, so what is not a verb cannot be said, and every text and URL is escaped
//! by the XML writer: there is no way to put a caller's name into the markup. Characters that XML cannot carry
//! are dropped. The constructors below are all the documents that Cordboard needs; a choice among them is the
//! caller's, nothing here knows a call's state.
//!
//! Every joiner of a room gets the same room attributes: Twilio keeps the first joiner's status callback and
//! ignores the others', and who is first is a race. Recording is not among them: it is asked for by REST, on
//! the customer's leg, or people who are held would be missing from it.
//!
//! Read next: [`super::rest`].

use std::{borrow::Cow, io};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use cordboard_core::ids::{CallId, CallSid, Emergency, LegId, Phone};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{Callback, Method, Sound, Urls};

/// One instruction (Twilio docs: TwiML for Voice).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Speaks. Cut at 4,096 characters, the most that Twilio speaks (error 13521).
    Say(String),
    /// Plays a recording so many times; 0 is for ever.
    Play {
        /// Of the recording.
        url: String,
        /// How often.
        times: u32,
    },
    /// Silence.
    Pause {
        /// How long.
        seconds: u32,
    },
    /// Goes on with another document.
    Redirect {
        /// Of the document.
        url: String,
    },
    /// Waits for keys while speaking and playing; goes on with the next verb when none comes.
    Gather {
        /// Gets the keys.
        action: String,
        /// How many.
        digits: u32,
        /// How long to wait for them once all is said.
        seconds: u32,
        /// Say, Play and Pause.
        saying: Vec<Verb>,
    },
    /// Connects.
    Dial(Dial),
    /// Ends the leg.
    Hangup,
    /// Does not answer at all, free of charge. Only as the first verb of an unanswered call.
    Reject(Reject),
}

/// What a caller who is not answered is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// The engaged tone.
    Busy,
    /// "Not in service".
    Rejected,
}

/// Connects the leg with something; when that is over, asks `action` what next, or goes on with the next verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Asked when the connection is over.
    pub action: Option<String>,
    /// What the called telephone sees: a number of the account.
    pub caller_id: Option<Phone>,
    /// How long a telephone rings, in seconds (Twilio: 30).
    pub timeout: Option<u32>,
    /// What to connect with.
    pub to: Noun,
}

/// What a leg is connected with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noun {
    /// A room.
    Conference(Conference),
    /// A telephone, with or without a country code.
    Number(String),
}

/// A leg's way into a room. What is the same for everybody (no beep, small jitter buffer, the events) is not a
/// field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conference {
    /// The room's name: the call's unguessable id.
    pub room: CallId,
    /// The participant's label.
    pub label: LegId,
    /// Comes in muted.
    pub muted: bool,
    /// The room may start when it comes.
    pub start_on_enter: bool,
    /// The room ends when it leaves.
    pub end_on_exit: bool,
    /// Speaks to this leg alone.
    pub coach: Option<CallSid>,
    /// What it hears while it is alone before the start.
    pub wait_url: String,
    /// Gets the room's events.
    pub status_callback: String,
}

/// Every event of a room but `speaker`, which comes several times a second. REST creates participants with the
/// same.
pub(crate) const ROOM_EVENTS: &str = "start end join leave mute hold modify announcement";

/// The least latency; the default adds up to a second (Twilio docs: Conference, jitterBufferSize).
pub(crate) const JITTER_BUFFER: &str = "small";

/// A reply to a voice request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document(Vec<Verb>);

impl Document {
    /// These verbs, in this order.
    pub const fn new(verbs: Vec<Verb>) -> Self {
        Self(verbs)
    }

    /// Its verbs.
    pub fn verbs(&self) -> &[Verb] {
        &self.0
    }

    /// As XML.
    pub fn to_xml(&self) -> String {
        let mut writer = Writer::new(Vec::with_capacity(512));
        write_all(&mut writer, &self.0).expect("writing to memory cannot fail");
        String::from_utf8(writer.into_inner()).expect("only strings were written")
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        (
            [(header::CONTENT_TYPE, "text/xml; charset=utf-8")],
            self.to_xml(),
        )
            .into_response()
    }
}

type Out = Writer<Vec<u8>>;

fn write_all(out: &mut Out, verbs: &[Verb]) -> io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    out.create_element("Response")
        .write_inner_content(|out| verbs.iter().try_for_each(|verb| write(out, verb)))?;
    Ok(())
}

fn write(out: &mut Out, verb: &Verb) -> io::Result<()> {
    match verb {
        Verb::Say(text) => {
            let cut: String = text.chars().take(4096).collect();
            out.create_element("Say")
                .write_text_content(BytesText::new(&legal(&cut)))?;
        }
        Verb::Play { url, times } => {
            let element = out.create_element("Play");
            let times = times.to_string();
            let element = if times == "1" {
                element
            } else {
                element.with_attribute(("loop", times.as_str()))
            };
            element.write_text_content(BytesText::new(&legal(url)))?;
        }
        Verb::Pause { seconds } => {
            out.create_element("Pause")
                .with_attribute(("length", seconds.to_string().as_str()))
                .write_empty()?;
        }
        Verb::Redirect { url } => {
            out.create_element("Redirect")
                .with_attribute(("method", Method::Post.as_str()))
                .write_text_content(BytesText::new(&legal(url)))?;
        }
        Verb::Gather {
            action,
            digits,
            seconds,
            saying,
        } => {
            let (digits, seconds) = (digits.to_string(), seconds.to_string());
            out.create_element("Gather")
                .with_attributes([
                    ("action", &*legal(action)),
                    ("method", Method::Post.as_str()),
                    ("input", "dtmf"),
                    ("numDigits", &digits),
                    ("timeout", &seconds),
                ])
                .write_inner_content(|out| saying.iter().try_for_each(|verb| write(out, verb)))?;
        }
        Verb::Dial(dial) => write_dial(out, dial)?,
        Verb::Hangup => {
            out.create_element("Hangup").write_empty()?;
        }
        Verb::Reject(reason) => {
            let reason = match reason {
                Reject::Busy => "busy",
                Reject::Rejected => "rejected",
            };
            out.create_element("Reject")
                .with_attribute(("reason", reason))
                .write_empty()?;
        }
    }
    Ok(())
}

fn write_dial(out: &mut Out, dial: &Dial) -> io::Result<()> {
    let timeout = dial.timeout.map(|seconds| seconds.to_string());
    let action = dial.action.as_deref().map(legal);
    let mut attributes = Vec::new();
    if let Some(action) = &action {
        attributes.extend([("action", &**action), ("method", Method::Post.as_str())]);
    }
    attributes.extend(
        dial.caller_id
            .as_ref()
            .map(|phone| ("callerId", phone.as_str())),
    );
    attributes.extend(timeout.as_deref().map(|seconds| ("timeout", seconds)));
    out.create_element("Dial")
        .with_attributes(attributes)
        .write_inner_content(|out| {
            match &dial.to {
                Noun::Number(number) => {
                    out.create_element("Number")
                        .write_text_content(BytesText::new(&legal(number)))?;
                }
                Noun::Conference(conference) => write_conference(out, conference)?,
            }
            Ok(())
        })?;
    Ok(())
}

fn write_conference(out: &mut Out, conference: &Conference) -> io::Result<()> {
    let yes = |flag: bool| if flag { "true" } else { "false" };
    let (room, label) = (conference.room.to_string(), conference.label.to_string());
    let (wait, callback) = (
        legal(&conference.wait_url),
        legal(&conference.status_callback),
    );
    let mut attributes = vec![
        ("participantLabel", label.as_str()),
        ("beep", "false"),
        ("jitterBufferSize", JITTER_BUFFER),
        ("startConferenceOnEnter", yes(conference.start_on_enter)),
        ("endConferenceOnExit", yes(conference.end_on_exit)),
        ("muted", yes(conference.muted)),
        ("waitUrl", &wait),
        ("waitMethod", Method::Post.as_str()),
        ("statusCallback", &callback),
        ("statusCallbackMethod", Method::Post.as_str()),
        ("statusCallbackEvent", ROOM_EVENTS),
    ];
    attributes.extend(conference.coach.as_ref().map(|sid| ("coach", sid.as_str())));
    out.create_element("Conference")
        .with_attributes(attributes)
        .write_text_content(BytesText::new(&room))?;
    Ok(())
}

/// Without the characters that XML 1.0 cannot carry, not even escaped (XML 1.0, production 2).
fn legal(text: &str) -> Cow<'_, str> {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}');
    if text.chars().all(fits) {
        text.into()
    } else {
        text.chars().filter(|c| fits(*c)).collect()
    }
}

/// How a leg comes into its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entrance {
    /// A person who talks, or a target of a transfer: their leaving ends nothing.
    #[default]
    Talking,
    /// The customer: when they leave, the call is over for everybody.
    Customer,
    /// A supervisor who listens: muted, and does not start the room.
    Listening,
}

/// Into the room of its call. When the leg leaves the room without being redirected, `/twilio/after` is asked
/// what next.
pub fn join(urls: &Urls, leg: LegId, entrance: Entrance) -> Document {
    let conference = Conference {
        room: leg.call,
        label: leg,
        muted: entrance == Entrance::Listening,
        start_on_enter: entrance != Entrance::Listening,
        end_on_exit: entrance == Entrance::Customer,
        coach: None,
        wait_url: urls.of(Callback::Wait(leg)),
        status_callback: urls.of(Callback::Conference(leg.call)),
    };
    Document(vec![Verb::Dial(Dial {
        action: Some(urls.of(Callback::After(leg))),
        caller_id: None,
        timeout: None,
        to: Noun::Conference(conference),
    })])
}

/// What a leg hears that waits alone: perhaps a sentence, then a sound, then it asks again. Sounds are at most
/// 20 s long, so news reaches the ear within that time.
pub fn wait(urls: &Urls, leg: LegId, sentence: Option<&str>, sound: Sound) -> Document {
    let mut verbs: Vec<Verb> = sentence
        .map(|text| Verb::Say(text.to_owned()))
        .into_iter()
        .collect();
    verbs.push(Verb::Play {
        url: urls.sound(sound),
        times: 1,
    });
    verbs.push(Verb::Redirect {
        url: urls.of(Callback::Wait(leg)),
    });
    Document(verbs)
}

/// What a held leg hears, for ever, whether we live or not: a conference's hold document is not asked for
/// again.
pub fn hold(urls: &Urls, sound: Sound) -> Document {
    Document(vec![Verb::Play {
        url: urls.sound(sound),
        times: 0,
    }])
}

/// Says something to a telephone that we rang and waits for one key; hangs up when none comes. The key, not the
/// answer, is the accept: so a mobile's voicemail never wins a caller.
pub fn ask(urls: &Urls, leg: LegId, sentence: &str) -> Document {
    let say = || Verb::Say(sentence.to_owned());
    Document(vec![
        Verb::Gather {
            action: urls.of(Callback::Key(leg)),
            digits: 1,
            seconds: 8,
            // Twice: people put the telephone to their ear while the first sentence is said.
            saying: vec![say(), Verb::Pause { seconds: 1 }, say()],
        },
        Verb::Hangup,
    ])
}

/// An emergency call: straight to the number, without room, callback or anything else that could fail.
pub fn emergency(number: Emergency, caller_id: Option<Phone>) -> Document {
    Document(vec![Verb::Dial(Dial {
        action: None,
        caller_id,
        timeout: None,
        to: Noun::Number(number.as_str().to_owned()),
    })])
}

/// Does not answer, free of charge. Only for a call that nothing has answered yet.
pub fn reject(reason: Reject) -> Document {
    Document(vec![Verb::Reject(reason)])
}

/// Ends the leg.
pub fn hang_up() -> Document {
    Document(vec![Verb::Hangup])
}

/// Says something and ends the leg.
pub fn say_and_hang_up(sentence: &str) -> Document {
    Document(vec![Verb::Say(sentence.to_owned()), Verb::Hangup])
}

/// When we cannot know what to do (the store does not answer): keeps the caller, and asks the same again. Valid
/// everywhere, also as a wait document.
pub fn one_moment(urls: &Urls, again: Callback) -> Document {
    Document(vec![
        Verb::Play {
            url: urls.sound(Sound::OneMoment),
            times: 1,
        },
        Verb::Pause { seconds: 3 },
        Verb::Redirect {
            url: urls.of(again),
        },
    ])
}

/// Nothing to do: the leg goes on with what it does, or ends when it does nothing.
pub fn nothing() -> Document {
    Document::default()
}

/// A number as a voice reads it: digit by digit.
pub fn spoken(phone: &Phone) -> String {
    phone
        .as_str()
        .chars()
        .filter(char::is_ascii_digit)
        .flat_map(|digit| [digit, ' '])
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twilio::tests::{config, leg};
    use proptest::prelude::*;
    use quick_xml::{Reader, XmlVersion};

    fn urls() -> Urls {
        Urls::new(&config("http://localhost"))
    }

    /// What a parser sees: name, attributes, text, children.
    #[derive(Debug, Default, PartialEq)]
    struct Element {
        name: String,
        attributes: Vec<(String, String)>,
        text: String,
        children: Vec<Element>,
    }

    fn parse(xml: &str) -> Element {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().expand_empty_elements = true;
        let mut open = vec![Element::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => open.push(Element {
                    name: start.name().as_ref().to_owned(),
                    attributes: start
                        .attributes()
                        .map(|a| a.unwrap())
                        .map(|a| {
                            let value = a
                                .normalized_value(XmlVersion::Implicit1_0)
                                .unwrap()
                                .into_owned();
                            (a.key.as_ref().to_owned(), value)
                        })
                        .collect(),
                    ..Element::default()
                }),
                Event::End(_) => {
                    let done = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(done);
                }
                Event::Text(text) => open
                    .last_mut()
                    .unwrap()
                    .text
                    .push_str(&text.xml10_content()),
                Event::GeneralRef(entity) => {
                    let c = entity.resolve_char_ref().unwrap().unwrap_or_else(|| {
                        match entity.as_ref() {
                            "lt" => '<',
                            "gt" => '>',
                            "amp" => '&',
                            "apos" => '\'',
                            "quot" => '"',
                            other => panic!("an entity nobody declared: {other}"),
                        }
                    });
                    open.last_mut().unwrap().text.push(c);
                }
                Event::Decl(_) => {}
                Event::Eof => break,
                other => panic!("nothing writes {other:?}"),
            }
        }
        assert_eq!(open.len(), 1, "every element is closed");
        let mut root = open.pop().unwrap().children;
        assert_eq!(root.len(), 1);
        root.pop().unwrap()
    }

    fn element(
        name: &str,
        attributes: &[(&str, &str)],
        text: &str,
        children: Vec<Element>,
    ) -> Element {
        Element {
            name: name.into(),
            attributes: attributes
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            text: text.into(),
            children,
        }
    }

    #[test]
    fn a_join_says_the_same_to_everybody_but_for_the_flags() {
        let (urls, leg) = (urls(), leg());
        let doc = parse(&join(&urls, leg, Entrance::Customer).to_xml());
        let (dial, room) = (&doc.children[0], &doc.children[0].children[0]);
        assert_eq!(
            dial.attributes[0],
            (
                "action".into(),
                format!("https://desk.example.com/pbx/twilio/after?leg={leg}")
            )
        );
        assert_eq!(room.text, leg.call.to_string());
        let is = |element: &Element, key: &str| {
            element
                .attributes
                .iter()
                .find(|(k, _)| k == key)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(is(room, "participantLabel"), leg.to_string());
        assert_eq!(is(room, "endConferenceOnExit"), "true");
        assert_eq!(
            is(room, "statusCallback"),
            format!(
                "https://desk.example.com/pbx/twilio/conference?call={}#rc=3&rp=all",
                leg.call
            )
        );
        assert_eq!(
            is(room, "statusCallbackEvent"),
            "start end join leave mute hold modify announcement"
        );
        let shared = |doc: &Document| {
            let mut room = parse(&doc.to_xml()).children.remove(0).children.remove(0);
            room.attributes.retain(|(k, _)| {
                !["endConferenceOnExit", "startConferenceOnEnter", "muted"].contains(&k.as_str())
            });
            room
        };
        let all = [Entrance::Talking, Entrance::Customer, Entrance::Listening]
            .map(|e| shared(&join(&urls, leg, e)));
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        let listening = parse(&join(&urls, leg, Entrance::Listening).to_xml())
            .children
            .remove(0)
            .children
            .remove(0);
        assert_eq!(
            (
                is(&listening, "muted"),
                is(&listening, "startConferenceOnEnter")
            ),
            ("true".into(), "false".into())
        );
    }

    #[test]
    fn the_documents_are_what_they_say() {
        let (urls, leg) = (urls(), leg());
        assert_eq!(
            hold(&urls, Sound::Music).to_xml(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Play loop=\"0\">https://desk.example.com/pbx/media/music.wav</Play></Response>"
        );
        assert_eq!(
            parse(&wait(&urls, leg, Some("You are number 2."), Sound::Music).to_xml()),
            element(
                "Response",
                &[],
                "",
                vec![
                    element("Say", &[], "You are number 2.", vec![]),
                    element(
                        "Play",
                        &[],
                        "https://desk.example.com/pbx/media/music.wav",
                        vec![]
                    ),
                    element(
                        "Redirect",
                        &[("method", "POST")],
                        &format!("https://desk.example.com/pbx/twilio/wait?leg={leg}"),
                        vec![]
                    ),
                ]
            )
        );
        let asked = parse(&ask(&urls, leg, "Call from Bob. Press 1.").to_xml());
        assert_eq!(
            asked
                .children
                .iter()
                .map(|c| c.name.as_str())
                .collect::<Vec<_>>(),
            ["Gather", "Hangup"]
        );
        assert!(
            asked.children[0]
                .attributes
                .contains(&("numDigits".into(), "1".into()))
        );
        assert_eq!(
            emergency(
                Emergency::recognise("911").unwrap(),
                Some("+14155550100".parse().unwrap())
            )
            .to_xml(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Dial callerId=\"+14155550100\"><Number>911</Number></Dial></Response>"
        );
        assert_eq!(
            reject(Reject::Busy).to_xml(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Reject reason=\"busy\"/></Response>"
        );
        assert_eq!(parse(&hang_up().to_xml()).children[0].name, "Hangup");
        assert_eq!(
            parse(&nothing().to_xml()),
            element("Response", &[], "", vec![])
        );
        let again = parse(&one_moment(&urls, Callback::Wait(leg)).to_xml());
        assert!(
            again
                .children
                .iter()
                .all(|c| ["Play", "Say", "Pause", "Redirect"].contains(&c.name.as_str())),
            "{again:?}"
        );
        assert_eq!(
            spoken(&"+14155550132".parse().unwrap()),
            "1 4 1 5 5 5 5 0 1 3 2"
        );
    }

    #[test]
    fn a_reply_is_xml_to_http() {
        let reply = hang_up().into_response();
        assert_eq!(
            reply.headers()[header::CONTENT_TYPE],
            "text/xml; charset=utf-8"
        );
    }

    fn expected(verb: &Verb) -> Element {
        let text = |text: &str| legal(text).into_owned();
        match verb {
            Verb::Say(said) => element("Say", &[], &text(said), vec![]),
            Verb::Play { url, times: 1 } => element("Play", &[], &text(url), vec![]),
            Verb::Play { url, times } => {
                element("Play", &[("loop", &times.to_string())], &text(url), vec![])
            }
            Verb::Pause { seconds } => {
                element("Pause", &[("length", &seconds.to_string())], "", vec![])
            }
            Verb::Redirect { url } => {
                element("Redirect", &[("method", "POST")], &text(url), vec![])
            }
            Verb::Gather {
                action,
                digits,
                seconds,
                saying,
            } => element(
                "Gather",
                &[
                    ("action", &text(action)),
                    ("method", "POST"),
                    ("input", "dtmf"),
                    ("numDigits", &digits.to_string()),
                    ("timeout", &seconds.to_string()),
                ],
                "",
                saying.iter().map(expected).collect(),
            ),
            Verb::Dial(Dial {
                action: Some(action),
                to: Noun::Number(number),
                ..
            }) => element(
                "Dial",
                &[("action", &text(action)), ("method", "POST")],
                "",
                vec![element("Number", &[], &text(number), vec![])],
            ),
            other => panic!("not generated: {other:?}"),
        }
    }

    proptest! {
        #[test]
        fn no_text_changes_the_tree(said: String, url: String, times in 0..9_u32, number in "\\PC*|[<&\"'\u{0}-\u{1f}\u{7f}-\u{9f}]*") {
            let verbs = vec![
                Verb::Say(said.clone()),
                Verb::Play { url: url.clone(), times },
                Verb::Gather {
                    action: number.clone(),
                    digits: 1,
                    seconds: times,
                    saying: vec![Verb::Say(number.clone()), Verb::Pause { seconds: 1 }],
                },
                Verb::Dial(Dial { action: Some(said), caller_id: None, timeout: None, to: Noun::Number(number) }),
                Verb::Redirect { url },
            ];
            let wanted = verbs.iter().map(expected).collect();
            prop_assert_eq!(parse(&Document::new(verbs).to_xml()), element("Response", &[], "", wanted));
        }
    }

    #[test]
    fn a_sentence_without_end_is_cut() {
        let doc = parse(&Document::new(vec![Verb::Say("ü".repeat(5000))]).to_xml());
        assert_eq!(doc.children[0].text.chars().count(), 4096);
    }
}
