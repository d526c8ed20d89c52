//! TwiML documents: from bytes to verbs, with the warnings and failures Twilio would report.
//!
//! This module only reads. What the verbs do is in `legs` (a call's own program) and `music` (what a conference
//! plays to somebody who waits). The tree stays general, with typed getters for attributes: one struct a verb
//! was not chosen, because Twilio ignores what it does not know and the reader must be able to warn about it.

use quick_xml::Reader;
use quick_xml::events::Event;

/// A document may not be larger (Twilio error 11750).
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// Deeper nesting than any verb needs; a bound for hostile documents.
const MAX_DEPTH: usize = 12;

/// A parsed `<Response>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) verbs: Vec<Element>,
    /// Schema warnings (12200): named, ignored, never fatal.
    pub(crate) warnings: Vec<String>,
}

/// A verb or a noun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// The text directly inside, trimmed.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

/// Why a document can't be run, with Twilio's error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {why}")]
pub(crate) struct Unreadable {
    pub(crate) code: u32,
    pub(crate) why: String,
}

impl Unreadable {
    pub(crate) fn new(code: u32, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }
}

impl Element {
    /// An attribute's value; an empty one is present (`waitUrl=""` asks for silence).
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        match self.attribute(name) {
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            _ => default,
        }
    }

    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.attribute(name)
            .and_then(|v| v.trim().parse().ok())
            .unwrap_or(default)
    }

    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        self.attribute(name)
            .map(|v| v.split_ascii_whitespace().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }
}

/// Reads a document.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::new(
            11750,
            format!("the document has {} bytes; 65536 are allowed", bytes.len()),
        ));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Unreadable::new(12100, "the document is not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    loop {
        let event = reader
            .read_event()
            .map_err(|e| Unreadable::new(12100, format!("malformed XML: {e}")))?;
        match event {
            Event::Start(start) => {
                if root.is_some() {
                    return Err(Unreadable::new(12100, "content after the root element"));
                }
                if open.len() >= MAX_DEPTH {
                    return Err(Unreadable::new(12100, "elements are nested too deeply"));
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                if root.is_some() {
                    return Err(Unreadable::new(12100, "content after the root element"));
                }
                let done = element(&start)?;
                close(done, &mut open, &mut root);
            }
            Event::End(_) => {
                // The reader itself refuses an end tag that doesn't match.
                let Some(done) = open.pop() else {
                    return Err(Unreadable::new(12100, "an end tag without a start"));
                };
                close(done, &mut open, &mut root);
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(entity) => {
                let name = entity.xml10_content();
                let text = match quick_xml::escape::unescape(&format!("&{name};")) {
                    Ok(text) => text.into_owned(),
                    Err(e) => return Err(Unreadable::new(12100, format!("unknown entity: {e}"))),
                };
                append(&mut open, &text)?;
            }
            Event::DocType(_) => {
                return Err(Unreadable::new(12100, "a document type is not allowed"));
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(Unreadable::new(
            12100,
            "the document ends inside an element",
        ));
    }
    let Some(root) = root else {
        return Err(Unreadable::new(12100, "the document is empty"));
    };
    if root.name != "Response" {
        return Err(Unreadable::new(
            12102,
            format!("the root element must be Response, not {}", root.name),
        ));
    }
    let mut document = Document {
        verbs: root.children,
        warnings: Vec::new(),
    };
    let mut warnings = Vec::new();
    document
        .verbs
        .retain(|verb| check(verb, "Response", &mut warnings));
    document.warnings = warnings;
    Ok(document)
}

fn element(start: &quick_xml::events::BytesStart<'_>) -> Result<Element, Unreadable> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute =
            attribute.map_err(|e| Unreadable::new(12100, format!("malformed attribute: {e}")))?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Explicit1_0)
            .map_err(|e| Unreadable::new(12100, format!("malformed attribute value: {e}")))?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(Element {
        name: start.name().as_ref().to_owned(),
        attributes,
        ..Element::default()
    })
}

fn close(mut done: Element, open: &mut [Element], root: &mut Option<Element>) {
    done.text = String::from(done.text.trim());
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn append(open: &mut [Element], text: &str) -> Result<(), Unreadable> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(Unreadable::new(12100, "text outside the root element")),
    }
    Ok(())
}

/// Where an element may stand and which attributes it knows. From the public TwiML reference.
const SCHEMA: &[(&str, &[&str], &[&str])] = &[
    (
        "Dial",
        &["Response"],
        &[
            "action",
            "method",
            "timeout",
            "timeLimit",
            "hangupOnStar",
            "answerOnBridge",
            "callerId",
            "ringTone",
            "record",
            "recordingTrack",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "trim",
            "sequential",
            "referUrl",
            "referMethod",
            "events",
        ],
    ),
    (
        "Conference",
        &["Dial"],
        &[
            "muted",
            "beep",
            "startConferenceOnEnter",
            "endConferenceOnExit",
            "participantLabel",
            "jitterBufferSize",
            "waitUrl",
            "waitMethod",
            "maxParticipants",
            "record",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "trim",
            "coach",
            "statusCallback",
            "statusCallbackMethod",
            "statusCallbackEvent",
            "region",
            "eventCallbackUrl",
        ],
    ),
    (
        "Number",
        &["Dial"],
        &[
            "sendDigits",
            "byoc",
            "url",
            "method",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "machineDetection",
            "machineDetectionTimeout",
            "machineDetectionSpeechThreshold",
            "machineDetectionSpeechEndThreshold",
            "machineDetectionSilenceTimeout",
            "amdStatusCallback",
            "amdStatusCallbackMethod",
        ],
    ),
    (
        "Client",
        &["Dial"],
        &[
            "url",
            "method",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "clientNotificationUrl",
        ],
    ),
    ("Identity", &["Client"], &[]),
    (
        "Parameter",
        &["Client", "Stream", "Siprec"],
        &["name", "value"],
    ),
    (
        "Sip",
        &["Dial", "Refer"],
        &[
            "username",
            "password",
            "url",
            "method",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "machineDetection",
            "amdStatusCallback",
            "amdStatusCallbackMethod",
        ],
    ),
    (
        "Queue",
        &["Dial"],
        &["url", "method", "reservationSid", "postWorkActivitySid"],
    ),
    (
        "Enqueue",
        &["Response"],
        &[
            "action",
            "method",
            "waitUrl",
            "waitUrlMethod",
            "maxQueueSize",
            "workflowSid",
        ],
    ),
    ("Task", &["Enqueue"], &["priority", "timeout"]),
    ("Leave", &["Response"], &[]),
    ("Redirect", &["Response"], &["method"]),
    ("Hangup", &["Response"], &[]),
    ("Reject", &["Response"], &["reason"]),
    ("Pause", &["Response", "Gather"], &["length"]),
    ("Play", &["Response", "Gather"], &["loop", "digits"]),
    (
        "Say",
        &["Response", "Gather"],
        &["voice", "language", "loop"],
    ),
    (
        "Gather",
        &["Response"],
        &[
            "action",
            "method",
            "input",
            "timeout",
            "speechTimeout",
            "maxSpeechTime",
            "finishOnKey",
            "numDigits",
            "actionOnEmptyResult",
            "bargeIn",
            "partialResultCallback",
            "partialResultCallbackMethod",
            "language",
            "hints",
            "profanityFilter",
            "speechModel",
            "enhanced",
            "debug",
        ],
    ),
    (
        "Record",
        &["Response"],
        &[
            "action",
            "method",
            "timeout",
            "finishOnKey",
            "maxLength",
            "playBeep",
            "trim",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "transcribe",
            "transcribeCallback",
        ],
    ),
    ("Start", &["Response"], &["action", "method"]),
    ("Stop", &["Response"], &[]),
    ("Connect", &["Response"], &["action", "method"]),
    (
        "Stream",
        &["Start", "Stop", "Connect"],
        &[
            "name",
            "url",
            "track",
            "statusCallback",
            "statusCallbackMethod",
            "connectorName",
        ],
    ),
    (
        "Recording",
        &["Start"],
        &[
            "channels",
            "track",
            "trim",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
        ],
    ),
    (
        "Siprec",
        &["Start", "Stop"],
        &[
            "name",
            "connectorName",
            "track",
            "statusCallback",
            "statusCallbackMethod",
        ],
    ),
    ("Echo", &["Response"], &[]),
    ("Refer", &["Response"], &["action", "method"]),
];

/// Checks an element and all inside it against the schema; false means it is unknown where it stands. Such a verb is
/// left out; such a noun is only named, and who runs the verb looks for those it knows.
fn check(element: &Element, parent: &str, warnings: &mut Vec<String>) -> bool {
    if parent == "Say" {
        // Speech markup (<break>, <emphasis>…) is not TwiML's own and is not checked.
        return true;
    }
    let Some((_, parents, attributes)) = SCHEMA.iter().find(|(name, _, _)| *name == element.name)
    else {
        warnings.push(format!(
            "12200: unknown element <{}> inside <{parent}>",
            element.name
        ));
        return false;
    };
    if !parents.contains(&parent) {
        warnings.push(format!(
            "12200: <{}> is not allowed inside <{parent}>",
            element.name
        ));
        return false;
    }
    for (name, _) in &element.attributes {
        if !attributes.contains(&name.as_str()) {
            warnings.push(format!("12200: <{}> has no attribute {name}", element.name));
        }
    }
    for child in &element.children {
        check(child, &element.name, warnings);
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> u32 {
        parse(text.as_bytes()).map_or_else(|e| e.code, |_| 0)
    }

    #[test]
    fn a_conference_is_read_with_its_attributes() {
        let document = parse(
            br#"<?xml version="1.0"?><Response><Dial action="/after?a=1&amp;b=2"><Conference waitUrl="" beep="false">
                room &amp; <![CDATA[<1>]]></Conference></Dial><!-- never --><Hangup/></Response>"#,
        )
        .unwrap();
        let dial = &document.verbs[0];
        assert_eq!(dial.attribute("action"), Some("/after?a=1&b=2"));
        let room = dial.child("Conference").unwrap();
        assert_eq!(
            (
                room.text.as_str(),
                room.attribute("waitUrl"),
                room.flag("beep", true)
            ),
            ("room & <1>", Some(""), false)
        );
        assert_eq!(document.verbs[1].name, "Hangup");
        assert!(document.warnings.is_empty(), "{:?}", document.warnings);
    }

    #[test]
    fn failures_carry_twilios_codes() {
        assert_eq!(code("<Response><Dial></Response>"), 12100);
        assert_eq!(code("<Response>"), 12100);
        assert_eq!(code(""), 12100);
        assert_eq!(code("<html></html>"), 12102);
        assert_eq!(code("<response/>"), 12102);
        assert_eq!(code("<Response/><Response/>"), 12100);
        assert_eq!(
            code("<!DOCTYPE x [<!ENTITY a 'b'>]><Response>&a;</Response>"),
            12100
        );
        assert_eq!(code("<Response><Say>&bomb;</Say></Response>"), 12100);
        assert_eq!(
            code(&format!(
                "<Response><Say>{}</Say></Response>",
                "a".repeat(MAX_BYTES)
            )),
            11750
        );
        assert_eq!(code("<Response/>"), 0);
    }

    #[test]
    fn what_is_unknown_is_named_and_ignored() {
        let document = parse(
            b"<Response><Dance/><Say colour='red'>hello</Say><Conference>x</Conference></Response>",
        )
        .unwrap();
        assert_eq!(document.verbs.len(), 1);
        assert_eq!(document.warnings.len(), 3, "{:?}", document.warnings);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn almost_twiml_never_panics(parts in proptest::collection::vec(
            prop::sample::select(vec!["<Response>", "</Response>", "<Dial a='", "'>", "</Dial>", "<Say>", "</Say>", "&amp;",
                "&#x0;", "&#99999999;", "<![CDATA[", "]]>", "<!--", "-->", "<?x", "?>", "<Play/>", "\u{0}", "text", "<", ">"]), 0..40)) {
            let _ = parse(parts.concat().as_bytes());
        }
    }
}
