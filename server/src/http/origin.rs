//! Where a page of ours may be from: the server's public address, or the near end of a tunnel to it.
//!
//! A browser gives a microphone to https and to its own machine, so a server without https has its phone page at the
//! end of a tunnel, at an address of the browser's machine that the server was never told. It is told by `Host`, and
//! believed only where it names that machine: a stranger's name that was made to lead there is not believed.
//!
//! Read next: [`super::pages`] (what a page may reach), [`crate::ws`] (which pages may reach us).

use axum::http::{HeaderMap, header};
use url::{Host, Position, Url};

/// The address of the browser's own machine that a request was made to, as host and port. None: it was made to another.
pub(super) fn near_end(headers: &HeaderMap) -> Option<&str> {
    let asked = headers.get(header::HOST)?.to_str().ok()?;
    let url = Url::parse(&format!("http://{asked}")).ok()?;
    let own = match url.host()? {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    // Nothing else was in it: it goes into a policy.
    (own && &url[Position::BeforeHost..Position::AfterPort] == asked).then_some(asked)
}

/// Whether a request is from a page of ours, or from none: a terminal does not say where it is from. What another port
/// of the browser's machine serves is not ours.
pub(crate) fn is_ours(public: &Url, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let near = near_end(headers).map(|near| format!("http://{near}"));
    origin.to_str().is_ok_and(|origin| {
        origin == public.origin().ascii_serialization() || Some(origin) == near.as_deref()
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(host: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        headers
    }

    #[test]
    fn a_tunnel_begins_at_the_browsers_own_machine_and_at_no_name_that_leads_there() {
        for near in [
            "localhost:9000",
            "127.0.0.1:9000",
            "127.9.9.9:1",
            "[::1]:9000",
            "localhost",
        ] {
            assert_eq!(near_end(&asked(near)), Some(near));
        }
        for elsewhere in [
            "desk.lan:9000",
            "localhost.evil.example",
            "evil.example:9000",
            "10.0.0.7:9000",
            "0.0.0.0:9000",
            "[fe80::1]:9000",
            "localhost:9000 https://evil.example",
            "localhost:9000; script-src *",
            "localhost:9000/evil",
            "evil@localhost:9000",
            "",
        ] {
            assert_eq!(near_end(&asked(elsewhere)), None, "{elsewhere}");
        }
        assert_eq!(near_end(&HeaderMap::new()), None);
    }
}
