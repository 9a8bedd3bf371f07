//! `/manage/tags`: the tags that the caller's requests had, to choose from.

use schemars::JsonSchema;
use serde::Serialize;
use tt_core::Timestamp;
use tt_core::query::TagSeen;

use crate::clock::end_of_hour;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::moment;
use crate::edge::reply::Json;
use crate::state::directory::KnownCaller;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TagSeen")]
pub(crate) struct View {
    name: String,
    /// At most 200 values. Those that are summed as `(other)` are not listed.
    values: Vec<String>,
}

impl From<TagSeen> for View {
    fn from(tag: TagSeen) -> Self {
        Self { name: tag.name, values: tag.values }
    }
}

/// `GET /manage/tags`: tags and their values on the UTC days of a range, as far back as rows are kept.
pub(crate) async fn list(cx: Box<Context>, caller: KnownCaller) -> Result<Json<Vec<View>>, ApiError> {
    let [from, to] = cx.query(["from", "to"])?;
    let from = from.map_or(Ok(Timestamp::from_millis(0)), |text| moment("from", &text))?;
    let to = to.map_or(Ok(end_of_hour()), |text| moment("to", &text))?;
    cx.app.wait_for_drain().await;
    let seen = cx.app.store.tags_seen(caller.user_id, from, to).await?;
    Ok(Json(seen.into_iter().map(View::from).collect()))
}
