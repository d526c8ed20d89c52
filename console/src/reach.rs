//! Where the link of a pairing leads, and what to say where a phone page could not work there.
//!
//! A browser gives a page its microphone only over https, or at an address of the browser's own machine. A server that
//! was told neither still makes links: whoever follows one pairs a page that never hears anybody. So it is said before.
//! Nothing here knows how it is shown: the window and `cordboard pair` tell it in the same sentences.
//!
//! Read next: `view/pair.rs`, `cli/pair.rs`.

use url::Url;

use crate::client::loopback;

/// The setting of the server that the links are made of.
const SETTING: &str = "CORDBOARD_PUBLIC_URL=https://…";

/// Where a link can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Wherever its address is known.
    Anywhere,
    /// On this machine: a telephone would look for it in itself.
    Here,
    /// A page opens there, and gets no microphone. The way round it, where one can be told.
    Deaf(Option<Tunnel>),
}

/// How a server without https is made one of one's own machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// What is typed in a shell.
    pub command: String,
    /// Where the page is then.
    pub address: String,
}

impl Reach {
    /// Where that link can be followed.
    pub fn of(link: &str) -> Self {
        let Ok(url) = Url::parse(link) else {
            return Self::Deaf(None);
        };
        match url.scheme() {
            "https" | "http" if loopback(&url) => Self::Here,
            "https" => Self::Anywhere,
            _ => Self::Deaf(Tunnel::to(&url)),
        }
    }

    /// What somebody should know before they follow it, in sentences.
    pub fn told(&self) -> Vec<String> {
        match self {
            Self::Anywhere => Vec::new(),
            Self::Here => vec![format!(
                "It opens on this machine only. For a telephone, the server needs {SETTING}"
            )],
            Self::Deaf(_) => vec![
                "The server's address is neither https nor one of this machine: a browser gives a page there no microphone."
                    .to_owned(),
                format!("The server needs {SETTING}"),
            ],
        }
    }
}

impl Tunnel {
    fn to(url: &Url) -> Option<Self> {
        let host = url.host()?;
        let port = url.port_or_known_default()?;
        let mut local = url.clone();
        local.set_scheme("http").ok()?;
        local.set_host(Some("localhost")).ok()?;
        local.set_fragment(None);
        // What is not named is the same again on this side.
        local.set_port(Some(port)).ok()?;
        Some(Self {
            command: format!("ssh -L {port}:127.0.0.1:{port} {}", bare(&host)),
            address: local.to_string(),
        })
    }
}

/// A host as `ssh` takes it: an IPv6 address without its brackets.
fn bare(host: &url::Host<&str>) -> String {
    match host {
        url::Host::Ipv6(ip) => ip.to_string(),
        host => host.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_where_a_page_gets_its_microphone() {
        for (link, reach) in [
            ("https://desk.example.com/phone#WDJB-MJHT", Reach::Anywhere),
            ("https://192.0.2.7/phone#WDJB-MJHT", Reach::Anywhere),
            ("http://localhost:8080/phone#WDJB-MJHT", Reach::Here),
            ("https://localhost:8443/phone#WDJB-MJHT", Reach::Here),
            ("http://127.0.0.1:8080/phone#WDJB-MJHT", Reach::Here),
            ("http://127.8.9.1/phone#WDJB-MJHT", Reach::Here),
            ("http://[::1]:8080/phone#WDJB-MJHT", Reach::Here),
            ("no link", Reach::Deaf(None)),
        ] {
            assert_eq!(Reach::of(link), reach, "{link}");
        }
        for link in [
            "http://desk.example.com/phone#X",
            "http://10.0.0.7:8080/phone#X",
            "http://0.0.0.0:8080/phone#X",
            "http://localhost.example.com/phone#X",
            "http://128.0.0.1/phone#X",
            "http://[fe80::1]/phone#X",
        ] {
            assert!(matches!(Reach::of(link), Reach::Deaf(Some(_))), "{link}");
        }
    }

    #[test]
    fn a_tunnel_leads_to_the_same_page_without_its_code() {
        for (link, command, address) in [
            (
                "http://desk.lan:8080/phone#WDJB-MJHT",
                "ssh -L 8080:127.0.0.1:8080 desk.lan",
                "http://localhost:8080/phone",
            ),
            (
                "http://[fe80::1]:9000/phone#WDJB-MJHT",
                "ssh -L 9000:127.0.0.1:9000 fe80::1",
                "http://localhost:9000/phone",
            ),
        ] {
            let Reach::Deaf(Some(tunnel)) = Reach::of(link) else {
                panic!("{link}")
            };
            assert_eq!((&*tunnel.command, &*tunnel.address), (command, address));
        }
    }
}
