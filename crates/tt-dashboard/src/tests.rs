//! Answers, with the files as they are built.

use super::*;

fn get(path: &str, accept_encoding: &str) -> Response<Bytes> {
    respond(path, Some(accept_encoding), None).unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn script() -> String {
    let asset = ASSETS.iter().find(|asset| asset.name.starts_with("assets/index") && asset.name.ends_with(".js"));
    format!("/{}", asset.unwrap().name)
}

#[test]
fn every_page_is_the_one_program() {
    let page = get("/", "").into_body();
    assert!(std::str::from_utf8(&page).unwrap().contains("<div id=\"app\">"));
    for path in ["/docs", "/docs/", "/dashboard", "/dashboard/", "/dashboard/requests/0193-x", "/dashboard/a%2Fb"] {
        assert_eq!(get(path, "").into_body(), page, "{path}");
    }
}

#[test]
fn a_path_without_a_file_has_no_answer() {
    for path in
        ["", "index.html.br", "/index.html.gz", "/assets/", "/assets/nothing.js", "/docs/x", "/dashboards", "//"]
    {
        assert!(respond(path, None, None).is_none(), "{path}");
    }
}

#[test]
fn every_answer_has_the_policy_and_says_how_it_was_chosen() {
    for path in ["/", "/docs", "/dashboard/keys", "/favicon.svg", &script()] {
        let response = get(path, "gzip");
        let policy = header(&response, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'none'; base-uri 'none'; form-action 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&response, "referrer-policy"), "no-referrer");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(header(&response, "vary"), "accept-encoding");
        assert_eq!(header(&response, "content-encoding"), "gzip");
    }
}

#[test]
fn files_with_a_hash_are_kept_for_ever_and_pages_are_asked_for_again() {
    assert_eq!(header(&get(&script(), ""), "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header(&get("/dashboard", ""), "cache-control"), "no-cache");
    assert_eq!(header(&get("/favicon.svg", ""), "cache-control"), "no-cache");
}

#[test]
fn a_client_that_has_the_file_gets_no_body() {
    let [plain, brotli] = ["", "br"].map(|accepted| header(&get("/", accepted), "etag").to_owned());
    assert_ne!(plain, brotli);
    for tags in [&plain, &brotli, &format!("\"x\", W/{brotli}"), &"*".to_owned()] {
        let response = respond("/", Some("br"), Some(tags)).unwrap();
        assert_eq!((response.status().as_u16(), response.body().len()), (304, 0), "{tags}");
        assert_eq!(header(&response, "etag"), brotli);
        assert!(header(&response, "content-security-policy").contains("'none'"));
    }
    for tags in ["\"x\"", "", plain.trim_matches('"')] {
        assert_eq!(respond("/", None, Some(tags)).unwrap().status(), 200, "{tags}");
    }
}

#[test]
fn the_page_is_small() {
    // The page of the reference alone loads the description of the API.
    let of_page = ASSETS.iter().filter(|asset| asset.name != "openapi.json");
    let sent: usize = of_page.map(|asset| asset.brotli.len()).sum();
    assert!(sent < 100_000, "{sent} bytes");
    for asset in ASSETS {
        assert!(asset.gzip.starts_with(&[0x1f, 0x8b]), "{}", asset.name);
    }
}

#[test]
fn the_description_of_the_api_is_sent_compressed() {
    let sizes = ["br", "gzip", ""].map(|accepted| {
        let response = get("/openapi.json", accepted);
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "cache-control"), "no-cache");
        response.body().len()
    });
    assert!(sizes[0] < sizes[1] && sizes[1] * 4 < sizes[2], "{sizes:?}");
}

#[test]
fn the_page_names_no_other_host_and_has_no_inline_script() {
    let page = get("/", "").into_body();
    let page = std::str::from_utf8(&page).unwrap();
    assert!(!page.contains("//"), "{page}");
    assert!(
        page.matches("<script").count() == 1 && page.contains("<script type=\"module\" crossorigin src=\"/assets/")
    );
    assert!(!page.contains("style="), "{page}");
}
