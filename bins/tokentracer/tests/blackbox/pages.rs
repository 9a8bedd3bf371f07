//! The landing page, the dashboard and the guide, as a browser asks for them.

use http::Method;

use crate::expect::{assert_request_id, error};
use crate::setup::world;

/// The script of the page.
fn script_of(page: &str) -> String {
    let (_, rest) = page.split_once("src=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn pages_need_no_credential_and_have_a_strict_policy() {
    let world = world().await;
    let client = world.client();
    for path in ["/", "/dashboard", "/dashboard/", "/dashboard/requests/0193", "/docs"] {
        let page = client.get(path).send().await.expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'self';"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        assert_request_id(&page);
        let head = client.call(Method::HEAD, path).send().await.expect(200);
        assert_eq!(head.header("content-length"), page.header("content-length"), "{path}");
        assert_eq!(head.text(), "");
    }
}

#[tokio::test]
async fn files_are_compressed_and_kept_and_asked_for_by_their_tag() {
    let world = world().await;
    let client = world.client();
    let path = script_of(&client.get("/dashboard").send().await.expect(200).text());
    let script = client.get(&path).header("accept-encoding", "gzip, br").send().await.expect(200);
    assert_eq!(script.header("content-encoding"), Some("br"));
    assert_eq!(script.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let tag = script.header("etag").unwrap();
    let again = client.get(&path).header("if-none-match", tag).send().await.expect(304);
    assert_eq!((again.text().as_str(), again.header("content-type")), ("", None));
}

#[tokio::test]
async fn a_file_that_is_not_there_and_a_wrong_method_are_errors_of_the_api() {
    let world = world().await;
    let missing = world.client().get("/assets/nothing.js").send().await.expect(404);
    error(&missing, 404, "route_not_found");
    let wrong = world.client().post("/dashboard").send().await.expect(405);
    assert_eq!(wrong.header("allow"), Some("GET, HEAD"));
}
