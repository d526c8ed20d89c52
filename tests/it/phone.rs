//! The phone page in a real browser, with real sound: Chromium, the unmodified Voice SDK, and the twin's edge.
//!
//! Whoever talks, talks in a tone of their own, so that who hears whom can be read off a spectrum: at the twin, of what
//! came in and what went out, and in the page, of what its browser plays. What the house thinks of it is read where
//! people read it: on a console's socket, and in the page. Without a browser these tests are skipped, and say so.
//!
//! Read next: `phone/rig.rs` (people, callers and ears), `tests/src/browser.rs`.

mod calls;
mod demo;
mod lost;
pub(crate) mod rig;
mod telephone;
mod trouble;

/// What is served without a browser to look at it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_built_in_where_there_is_node_and_trusts_no_host_but_its_own_and_the_carriers()
{
    let house = crate::people::kit::House::open(cordboard_tests::backends::sqlite_file()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(format!("{}/phone", house.anyone.url)).send().await;
    let answer = answer.unwrap();
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    let html = answer.text().await.unwrap();
    // `make test` builds the page where it finds Node, and says so by this.
    if std::env::var_os("TEST_NODE_CLIENT").is_some() {
        assert!(html.contains("/assets/phone.js"), "{html}");
        let double = house.desk.twin.addr().to_string();
        let shim = format!(r#"<script src="/assets/signalling.js" data-host="{double}">"#);
        let (shim, bundle) = (html.find(&shim), html.find("/assets/phone.js"));
        assert!(shim.is_some() && shim < bundle, "{html}");
        assert!(policy.contains(&format!("ws://{double}")), "{policy}");
        // At the near end of a tunnel our socket is there, too.
        for (host, named) in [("localhost:9000", true), ("evil.example:9000", false)] {
            let asked = http.get(format!("{}/phone", house.anyone.url));
            let answer = asked.header("host", host).send().await.unwrap();
            let policy = answer.headers()["content-security-policy"]
                .to_str()
                .unwrap();
            assert_eq!(policy.contains(&format!("ws://{host} ")), named, "{policy}");
        }
    }
    for word in ["unsafe-inline", "unsafe-eval", "twilio.com", "*"] {
        assert!(!policy.contains(word), "{policy}");
    }
}
