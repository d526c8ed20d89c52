//! Forms: the ordered key–value lists that REST bodies, query strings and web hooks are made of.
//!
//! Keys may repeat and keep their order; a map was not chosen because a signature, a list of events and a
//! hostile client all depend on what it would lose. Next: `rest`, which reads them, and `webhooks`, which signs
//! them.

/// An ordered list of decoded keys and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(pub(crate) Vec<(String, String)>);

impl Form {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Decodes `a=1&b=2`. Bytes that are not UTF-8 become replacement characters.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The first value of `key`. The first, so that a smuggled second value never wins.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// As [`Form::get`], with an empty value read as none.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    /// `true` is true; everything else that is present is false, as Twilio reads its booleans.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.text(key)
            .map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// All values of `key`, repeated or separated by spaces (Twilio docs use both ways).
    pub(crate) fn words(&self, key: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(k, _)| k == key)
            .flat_map(|(_, v)| v.split_ascii_whitespace())
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn push(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.push((key.into(), value.into()));
    }

    /// Sets `key` where it is absent, so that what is already said stands.
    pub(crate) fn push_if_absent(&mut self, key: &str, value: &str) {
        if self.get(key).is_none() {
            self.push(key, value);
        }
    }

    pub(crate) fn extend(&mut self, other: &Form) {
        self.0.extend(other.0.iter().cloned());
    }

    pub(crate) fn encode(&self) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        out.extend_pairs(&self.0);
        out.finish()
    }
}

/// `^\+[1-9]\d{1,14}$`, the form of every telephone number on Twilio's REST API.
pub(crate) fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else {
        return false;
    };
    (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The address itself of `sip:user@host`, without the parameters behind a `;` and the headers behind a `?`.
pub(crate) fn sip_address(text: &str) -> Option<&str> {
    let address = text.split([';', '?']).next()?;
    let (user, host) = address.strip_prefix("sip:")?.split_once('@')?;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '<' | '>' | '"');
    let valid = !user.is_empty() && !host.is_empty() && text.len() <= 255;
    (valid && user.chars().all(plain) && host.chars().all(plain)).then_some(address)
}

/// Two letters and 32 hexadecimal digits, such as `CA…` for a call.
pub(crate) fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_values_arrive_repeated_or_in_one() {
        let form = Form::decode(b"E=initiated&E=ringing+answered&Muted=TRUE&Hold=1&Empty=");
        assert_eq!(form.words("E"), ["initiated", "ringing", "answered"]);
        assert_eq!(form.flag("Muted"), Some(true));
        assert_eq!(form.flag("Hold"), Some(false));
        assert_eq!(form.flag("Empty"), None);
    }

    #[test]
    fn a_sip_address_is_a_user_at_a_host() {
        let alice = Some("sip:alice@office.example:5060");
        assert_eq!(sip_address("sip:alice@office.example:5060"), alice);
        let more = "sip:alice@office.example:5060;transport=tcp?x-ticket=a@b";
        assert_eq!(sip_address(more), alice);
        for wrong in [
            "sip:alice",
            "alice@office.example",
            "sip:@office.example",
            "sip:a@",
            "sip:a b@c",
            "sip:a@b@c",
        ] {
            assert_eq!(sip_address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_and_sids_are_checked_strictly() {
        assert!(
            is_e164("+15551234567")
                && !is_e164("15551234567")
                && !is_e164("+05551234567")
                && !is_e164("+1 555")
        );
        assert!(is_sid("CA0123456789abcdef0123456789ABCDEF", "CA"));
        assert!(!is_sid("CA0123456789abcdef0123456789ABCDEG", "CA") && !is_sid("cust", "CA"));
    }
}
