//! `GET /openapi.json`, as a client reads it.

use http::Method;

use crate::expect::assert_request_id;
use crate::setup::{program, world};

#[tokio::test]
async fn the_document_needs_no_credential_and_is_asked_for_again_by_its_tag() {
    let world = world().await;
    let client = world.client();
    let answer = client.get("/openapi.json").send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_request_id(&answer);
    assert_eq!(answer.json()["openapi"], "3.1.1");
    assert!(answer.json()["paths"]["/v1/chat/completions"]["post"].is_object());

    let head = client.call(Method::HEAD, "/openapi.json").send().await.expect(200);
    assert_eq!(head.header("content-length"), answer.header("content-length"));
    let tag = answer.header("etag").unwrap();
    let again = client.get("/openapi.json").header("if-none-match", tag).send().await.expect(304);
    assert_eq!((again.text().as_str(), again.header("etag")), ("", Some(tag)));
    let printed = program().argument("openapi").output().stdout;
    assert_eq!(String::from_utf8(printed).unwrap().trim_end(), answer.text());
    let small = client.get("/openapi.json").header("accept-encoding", "br").send().await.expect(200);
    assert_eq!((small.header("content-encoding"), small.header("vary")), (Some("br"), Some("accept-encoding")));
    assert!(small.body.len() * 4 < answer.body.len(), "{} bytes", small.body.len());
    client.get("/openapi.json").header("if-none-match", "\"another\"").send().await.expect(200);
}
