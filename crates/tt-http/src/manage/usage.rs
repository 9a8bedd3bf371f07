//! `/manage/usage`: sums over requests.

pub(crate) mod rows;

use tt_core::query::{GroupBy, UsageQuery};
use tt_core::{Timestamp, Zone};

use crate::clock::end_of_hour;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::moment;
use crate::edge::reply::Reply;
use crate::state::directory::KnownCaller;

/// `GET /manage/usage`: the sums, by the dimensions that the caller names, as JSON or CSV.
pub(crate) async fn usage(cx: Box<Context>, caller: KnownCaller) -> Result<Reply, ApiError> {
    let ([from, to, group_by, tz, format], filters) =
        cx.query_and_filters(["from", "to", "group_by", "tz", "format"])?;
    let csv = match format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(ApiError::invalid_field("format", "must be json or csv")),
    };
    let group_by = dimensions(group_by.as_deref().unwrap_or("provider,alias"))?;
    let rows_since = cx.app.rows_since();
    let mut query = UsageQuery {
        zone: tz.map_or(Ok(Zone::utc()), |name| Zone::parse("tz", &name))?,
        filters,
        rows_since,
        ..UsageQuery::new(Timestamp::from_millis(0), end_of_hour(), group_by)
    };
    // Sums that are read from rows begin with the rows, where the caller names no beginning.
    if query.needs_rows() {
        query.from = rows_since.unwrap_or(query.from);
    }
    if let Some(text) = from {
        query.from = moment("from", &text)?;
    }
    if let Some(text) = to {
        query.to = moment("to", &text)?;
    }
    cx.app.wait_for_drain().await;
    let groups = cx.app.store.usage(caller.user_id, query.clone()).await?;
    if csv { rows::as_csv(&query.group_by, &groups) } else { rows::as_json(&query.group_by, &groups) }
}

fn dimensions(text: &str) -> Result<Vec<GroupBy>, ApiError> {
    let mut dimensions: Vec<GroupBy> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let dimension: GroupBy = name.parse()?;
        if dimensions.contains(&dimension) {
            return Err(ApiError::invalid_field("group_by", "names a dimension twice"));
        }
        dimensions.push(dimension);
    }
    if dimensions.iter().filter(|by| matches!(by, GroupBy::Tag(_))).count() > UsageQuery::MOST_TAGS {
        return Err(ApiError::invalid_field("group_by", "can name three tags"));
    }
    Ok(dimensions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_stand_once() {
        assert_eq!(dimensions("provider, tag:team").unwrap(), [GroupBy::Provider, GroupBy::Tag("team".into())]);
        for bad in ["provider,provider", "tag:a,tag:b,tag:c,tag:d", "colour", "tag:", "tag:a\0b"] {
            assert!(dimensions(bad).is_err(), "{bad}");
        }
    }
}
