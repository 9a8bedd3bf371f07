//! Messages as turns: system, roles, parts, media and cache marks.

use super::*;

#[test]
fn system_messages_at_the_start_are_one_string_or_blocks() {
    let one = talk(vec![text(Role::Developer, "A"), user("hi")]);
    assert_eq!(body(&one, &plain())["system"], "A");
    let two = talk(vec![text(Role::System, "A"), text(Role::Developer, "B"), user("hi")]);
    assert_eq!(body(&two, &plain())["system"], json!([{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]));
}

#[test]
fn a_later_system_message_stays_where_the_model_takes_it_and_is_hoisted_where_not() {
    let conversation = talk(vec![
        text(Role::System, "A"),
        user("1"),
        text(Role::Assistant, "2"),
        text(Role::System, "B"),
        user("3"),
        text(Role::System, "C"),
    ]);
    let kept = body(&conversation, &opus_4_8());
    assert_eq!(kept["system"], "A");
    // B stands after an assistant turn, where Anthropic refuses it: it waits for the user's.
    let roles: Vec<_> =
        kept["messages"].as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "system"]);
    assert_eq!(kept["messages"][3]["content"], json!([{"type": "text", "text": "B"}, {"type": "text", "text": "C"}]));

    let hoisted = body(&conversation, &plain());
    let texts: Vec<_> =
        hoisted["system"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["A", "B", "C"]);
    assert_eq!(hoisted["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn neighbours_of_one_role_are_merged_and_empty_text_is_left_out() {
    let conversation = talk(vec![
        says(Role::User, vec![Part::text("a"), Part::text("")]),
        text(Role::Assistant, " "),
        user("b"),
        text(Role::Assistant, "c"),
        user("d"),
    ]);
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]);
    assert_eq!(body(&conversation, &plain())["messages"], expected);
}

#[test]
fn a_user_message_left_empty_is_refused() {
    assert_eq!(refused(&talk(vec![user("a"), user("  ")]), &plain()), "messages[1].content");
    assert_eq!(refused(&talk(vec![text(Role::System, "a")]), &plain()), "messages");
    assert_eq!(refused(&talk(Vec::new()), &plain()), "messages");
}

#[test]
fn a_last_assistant_message_is_a_prefill_where_the_model_takes_it() {
    let conversation = talk(vec![user("a"), text(Role::Assistant, "The answer is \n")]);
    let turns = body(&conversation, &sonnet_4_5())["messages"].clone();
    assert_eq!(turns[1], json!({"role": "assistant", "content": "The answer is"}));
    assert_eq!(refused(&conversation, &opus_4_8()), "messages[1]");
    // Thinking budgets are refused with it.
    let thinks = Conversation {
        thinking: ThinkingConfig { effort: Some(Effort::High), ..ThinkingConfig::default() },
        ..conversation
    };
    let encoded = encode(&thinks, &sonnet_4_5());
    assert_eq!(dropped(&encoded), ["reasoning_effort"]);
}

#[test]
fn images_and_files_become_blocks() {
    let inline = |mime: &str, data: &str| Media::Inline { mime: mime.into(), data: data.into() };
    let image = |media| Part::Image(Image { detail: Some("high".into()), ..Image::new(media) });
    let file = |media, name: &str| Part::Document(Document { title: Some(name.into()), ..Document::new(media) });
    let conversation = talk(vec![says(
        Role::User,
        vec![
            image(inline("image/jpg", "AAAA")),
            image(Media::url("https://example.com/a.png")),
            file(inline("application/pdf", "JVBERi0xLg=="), "a.pdf"),
            file(inline("", "JVBERi0xLg=="), "b.pdf"),
            file(inline("text/plain; charset=utf-8", "aMOpbGxv"), "c.txt"),
        ],
    )]);
    let encoded = encode(&conversation, &plain());
    let expected = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLg=="},
         "title": "a.pdf"},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLg=="},
         "title": "b.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "héllo"},
         "title": "c.txt"},
    ]);
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(sent["messages"][0]["content"], expected);
    assert_eq!(dropped(&encoded), ["detail"]);
}

#[test]
fn media_anthropic_does_not_take_are_refused_by_their_place() {
    let inline = |mime: &str| Media::Inline { mime: mime.into(), data: "AAAA".into() };
    for part in [
        Part::Audio(Audio::new(Media::Inline { mime: "audio/wav".into(), data: "AAAA".into() })),
        Part::Image(Image::new(inline("image/bmp"))),
        Part::Image(Image::new(Media::FileId { provider: Provider::OpenAi, id: "file-1".into() })),
        Part::Document(Document::new(Media::FileId { provider: Provider::OpenAi, id: "file-1".into() })),
        Part::Document(Document::new(inline("application/zip"))),
        Part::Document(Document::new(Media::Inline { mime: "text/plain".into(), data: "/////w==".into() })),
        Part::Image(Image::new(Media::Text("a text".into()))),
        Part::Video(Video { media: Media::url("https://example.com/a.mp4"), metadata: None }),
    ] {
        let conversation = talk(vec![user("look"), says(Role::User, vec![Part::text("here"), part])]);
        assert_eq!(refused(&conversation, &plain()), "messages[1].content[1]");
    }
}

#[test]
fn cache_hints_stay_on_their_blocks_and_the_last_four_count() {
    let with = |words: &str, hint| Part::Text(Text { text: words.into(), cache: Some(hint), ..Text::default() });
    let hinted = |words: &str| with(words, CacheTtl::OneHour);
    let mut conversation = with_tools(&["get"]);
    // A later mark is for an hour, and Anthropic takes no longer time behind a shorter one.
    function_at(&mut conversation, 0).cache = Some(CacheTtl::FiveMinutes);
    conversation.messages = vec![
        says(Role::System, vec![hinted("s")]),
        says(Role::User, vec![hinted("a"), with("b", CacheTtl::FiveMinutes)]),
    ];
    let sent = body(&conversation, &plain());
    assert_eq!(sent["tools"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    assert_eq!(sent["system"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    let content = &sent["messages"][0]["content"];
    assert_eq!(content[0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    assert_eq!(content[1]["cache_control"], json!({"type": "ephemeral", "ttl": "5m"}));

    conversation.messages.push(says(Role::User, vec![hinted("c")]));
    let encoded = encode(&conversation, &plain());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(sent["tools"][0].get("cache_control"), None, "a fifth mark is a 400: the first goes");
    assert_eq!(sent.to_string().matches("cache_control").count(), 4);
    assert_eq!(dropped(&encoded), ["cache_control"]);
}
