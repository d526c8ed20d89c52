//! What comes of the questions of the settings: shown, kept, or told beside what was typed.
//!
//! An answer is for whoever waits for it under its number, and for nobody else. Nothing that was typed is thrown away
//! here; a code that is shown once goes from its answer straight into its box.

use cordboard_core::api::{Invited, ResetMade};

use super::{About, Around, Pane, Secret, Section, Settings, Why, Wish, moments};
use crate::{
    app::{Mood, Sentence},
    ask::{Answer, Ask, Trouble},
};

impl Settings {
    /// Takes what came of the question with that number.
    pub fn answer(
        &mut self,
        number: u64,
        answer: Result<Answer, Trouble>,
        around: &Around<'_>,
    ) -> Vec<Wish> {
        // Nobody waits for it any more: another section is open, or its form was left.
        let Some(why) = self.out.remove(&number) else {
            return Vec::new();
        };
        match (why, answer) {
            (Why::Load, Ok(answer)) => {
                let next = match &answer {
                    Answer::Accounts(page) => page.next,
                    _ => None,
                };
                self.data.take(around.me.id, answer);
                if let Some(after) = next {
                    return vec![Wish::Ask(Ask::People(Some(after)), Why::Load)];
                }
                if self.out.is_empty() {
                    self.show(around);
                }
                Vec::new()
            }
            (Why::Load, Err(trouble)) => {
                self.out.clear();
                if matches!(self.pane, Pane::List(_)) {
                    return vec![Wish::Say(Mood::Bad, trouble.detail)];
                }
                self.again = None;
                self.pane = Pane::Failed(Sentence::new(&trouble.detail));
                Vec::new()
            }
            (Why::Save, Ok(answer)) => self.saved(answer, around),
            (Why::Save, Err(trouble)) => {
                self.refused(trouble);
                Vec::new()
            }
            (Why::Act(said), Ok(answer)) => {
                if let Answer::Reset(made) = answer {
                    self.secret = Some(reset(&made, around));
                    return Vec::new();
                }
                let mut wishes = vec![Wish::Say(Mood::Good, said)];
                wishes.extend(self.load(around));
                wishes
            }
            (Why::Act(_), Err(trouble)) => {
                if trouble.changed() {
                    // Nothing is typed here: it may be shown as it is now.
                    let mut wishes = vec![Wish::Say(Mood::Bad, trouble.detail)];
                    wishes.extend(self.load(around));
                    return wishes;
                }
                vec![Wish::Say(Mood::Bad, told(&trouble))]
            }
        }
    }

    fn saved(&mut self, answer: Answer, around: &Around<'_>) -> Vec<Wish> {
        let about = match &self.pane {
            Pane::Form(_, about) => Some(about.clone()),
            _ => None,
        };
        if let Answer::Invited(invited) = &answer {
            self.secret = Some(invitation(invited, around));
        }
        self.data.take(around.me.id, answer);
        self.conflict = false;
        match about {
            Some(about @ (About::Profile | About::Status | About::Desk)) => {
                self.open(about, around);
                self.tell(Mood::Good, "Saved.");
                Vec::new()
            }
            Some(About::Password) => {
                self.open(About::Password, around);
                self.tell(
                    Mood::Good,
                    "Your password is another one now. Your other sign-ins have ended.",
                );
                Vec::new()
            }
            Some(About::Invite) => {
                // The list behind it may be the people's: there nothing has changed.
                self.back();
                if self.section == Section::Invitations {
                    self.load(around)
                } else {
                    Vec::new()
                }
            }
            _ => {
                self.route = None;
                self.back();
                vec![Wish::Say(Mood::Good, "Saved.".to_owned())]
            }
        }
    }

    /// It was not saved: what was typed stays.
    fn refused(&mut self, trouble: Trouble) {
        self.conflict = trouble.changed();
        let text = told(&trouble);
        let why: Vec<String> = trouble.errors.iter().map(|e| e.why.clone()).collect();
        match (&mut self.pane, &mut self.route) {
            (Pane::Form(form, _), _) if !trouble.errors.is_empty() => form.fail(trouble.errors),
            (Pane::Form(form, _), _) => form.refuse(&text),
            (Pane::Route, Some(route)) => {
                route.busy = false;
                let text = if why.is_empty() { text } else { why.join(" ") };
                route.notice = Some((Mood::Bad, Sentence::new(&text)));
            }
            _ => {}
        }
    }
}

/// What is said of a refusal, and what to do about it.
fn told(trouble: &Trouble) -> String {
    let detail = &trouble.detail;
    match trouble.retry_after {
        _ if trouble.changed() => {
            format!("{detail} Ctrl-R loads it again; what you typed here is gone then.")
        }
        Some(seconds) => format!("{detail} Try again in {seconds} s."),
        None => detail.clone(),
    }
}

fn reset(made: &ResetMade, around: &Around<'_>) -> Secret {
    let until = moments::day(made.expires, around.utc_offset);
    let told = format!(
        "Whoever has it chooses another password: cordboard reset CODE. It holds until {until} and is not shown again."
    );
    Secret {
        head: Sentence::new("A code for another password"),
        code: made.code.to_string(),
        link: None,
        told: Sentence::new(&told),
        copied: false,
    }
}

fn invitation(invited: &Invited, around: &Around<'_>) -> Secret {
    let until = moments::day(invited.invitation.expires, around.utc_offset);
    let told = format!(
        "Send the link, or let them type: cordboard join, and the link. It holds until {until} and is not shown again."
    );
    Secret {
        head: Sentence::new("An invitation"),
        code: invited.code.to_string(),
        link: Some(invited.link.to_string()),
        told: Sentence::new(&told),
        copied: false,
    }
}
