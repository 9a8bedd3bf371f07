//! The models that a caller may name, and the caller's own key.

use http::StatusCode;
use serde_json::{Value, json};

use crate::gemini_models::{Model, Models};
use crate::key::KeyView;
use crate::models::{AnthropicModel, AnthropicModels, OpenAiModel, OpenAiModels};
use crate::openapi::operation::{Operation, text};
use crate::openapi::parameters::query;
use crate::openapi::schemas::Schemas;

const FORMS: &str = "With the header `anthropic-version` the answer is in the form of Anthropic's API, with \
                     `x-goog-api-key` in that of Gemini's, and otherwise in that of OpenAI's.";

pub(crate) fn key(schemas: &mut Schemas) -> Operation {
    Operation::new("keyStanding", "The credential of the request, with its limits, budgets and usage").gives(
        StatusCode::OK,
        "The credential.",
        schemas.written::<KeyView>(),
    )
}

pub(crate) fn list(schemas: &mut Schemas) -> Operation {
    let forms = any([
        schemas.written::<OpenAiModels<'static>>(),
        schemas.written::<AnthropicModels<'static>>(),
        schemas.written::<Models>(),
    ]);
    Operation::new("listModels", "The models that the caller may name")
        .says(FORMS)
        .see("https://platform.openai.com/docs/api-reference/models/list")
        .query([
            query(
                "limit",
                "Of Anthropic's form: the models of a page.",
                json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
            ),
            query("after_id", "Of Anthropic's form: the model before the page.", text()),
            query("before_id", "Of Anthropic's form: the model after the page.", text()),
        ])
        .gives(StatusCode::OK, "The models.", forms)
}

pub(crate) fn show(schemas: &mut Schemas) -> Operation {
    let forms = any([
        schemas.written::<OpenAiModel<'static>>(),
        schemas.written::<AnthropicModel<'static>>(),
        schemas.written::<Model>(),
    ]);
    Operation::new("showModel", "A model that the caller may name")
        .says(FORMS)
        .see("https://platform.openai.com/docs/api-reference/models/retrieve")
        .gives(StatusCode::OK, "The model.", forms)
        .fails([StatusCode::BAD_REQUEST])
}

pub(crate) fn list_of_gemini(schemas: &mut Schemas) -> Operation {
    Operation::new("listGeminiModels", "The models that the caller may name, in Gemini's form")
        .see("https://ai.google.dev/api/models#method:-models.list")
        .gives(StatusCode::OK, "The models.", schemas.written::<Models>())
}

pub(crate) fn show_of_gemini(schemas: &mut Schemas) -> Operation {
    Operation::new("showGeminiModel", "A model that the caller may name, in Gemini's form")
        .see("https://ai.google.dev/api/models#method:-models.get")
        .gives(StatusCode::OK, "The model.", schemas.written::<Model>())
        .fails([StatusCode::BAD_REQUEST])
}

fn any(schemas: [Value; 3]) -> Value {
    json!({ "anyOf": schemas })
}
