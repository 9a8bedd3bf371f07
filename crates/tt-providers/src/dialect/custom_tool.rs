//! Custom (free-form) tools for dialects that have only functions: a function with one string `input` stands for the tool,
//! and its description holds the grammar (`MAPPING.md`, Tools).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};
use tt_core::call::field::Field;
use tt_core::call::tool::CustomTool;

use crate::error::RequestError;
use crate::notes::Notes;

/// The JSON Schema of the arguments of that function.
pub(super) fn parameters() -> Value {
    json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]})
}

/// The description of the function that stands for the custom tool of that index, with the grammar for its input: no other
/// provider can hold the input to a grammar, and the model reads it.
///
/// # Errors
/// `Unsupported` for a format that is neither text nor a grammar.
pub(super) fn description<'a>(
    tool: &'a CustomTool,
    index: usize,
    notes: &mut Notes,
) -> Result<Option<Cow<'a, str>>, RequestError> {
    let said = tool.description.as_deref();
    let Some(format) = tool.format.as_ref().filter(|format| format.get("type").is_none_or(|kind| kind != "text"))
    else {
        return Ok(said.map(Cow::Borrowed));
    };
    let word = |name: &str| format.get("grammar")?.get(name)?.as_str();
    let Some(grammar) = word("definition") else {
        let reason = "the target knows no such format for a tool's input: leave it out or use a function";
        return Err(RequestError::unsupported(Field::ToolGrammar(index), reason));
    };
    notes.changed(Field::ToolGrammar(index), "told in the description: the target does not hold the input to it");
    let syntax = word("syntax").unwrap_or("following");
    let said = said.filter(|said| !said.is_empty()).map(|said| format!("{said}\n\n")).unwrap_or_default();
    Ok(Some(format!("{said}The input must match this {syntax} grammar:\n{grammar}").into()))
}

/// The input of the custom tool in the `arguments` of a call of that function. Arguments of another shape are returned as
/// they are, so that nothing that the model wrote is lost.
pub(super) fn input(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Wrapped {
        input: String,
    }
    serde_json::from_str(arguments).map_or_else(|_| arguments.to_owned(), |Wrapped { input }| input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grammar_is_told_in_words() {
        let tool = |description: Option<&str>, format: Value| CustomTool {
            name: "t".into(),
            description: description.map(str::to_owned),
            format: Some(format),
            cache: None,
        };
        let grammar = json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}});
        let mut notes = Notes::default();
        let mut of = |tool: &CustomTool| description(tool, 3, &mut notes).map(|said| said.map(Cow::into_owned));
        let told = "The input must match this lark grammar:\nstart: /x/";
        assert_eq!(of(&tool(Some("d"), grammar.clone())), Ok(Some(format!("d\n\n{told}"))));
        assert_eq!(of(&tool(None, grammar)), Ok(Some(told.to_owned())));
        assert_eq!(of(&tool(Some("d"), json!({"type": "text"}))), Ok(Some("d".to_owned())));
        let odd = of(&tool(None, json!({"type": "grammar", "grammar": {}})));
        assert!(matches!(odd, Err(RequestError::Unsupported { field: Field::ToolGrammar(3), .. })));
        assert_eq!(notes.iter().map(|note| note.field.clone()).collect::<Vec<_>>(), [Field::ToolGrammar(3)]);
    }

    #[test]
    fn arguments_of_another_shape_stay_as_they_are() {
        assert_eq!(input(r#"{"input": "a \"b\""}"#), r#"a "b""#);
        for other in [r#"{"input": 1}"#, r#"{"text": "a"}"#, "a", ""] {
            assert_eq!(input(other), other);
        }
    }
}
