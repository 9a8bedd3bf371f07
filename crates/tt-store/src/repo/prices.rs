//! Prices that administrators set over the shipped table.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::Timestamp;
use tt_core::price::{Override, PicoPerToken};

use super::Conn;
use crate::audit::{Action, Author};
use crate::decode;
use crate::error::{Result, StoreError};
use crate::schema::price_overrides;
use crate::view::Change;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = price_overrides, treat_none_as_null = true)]
struct Row {
    provider: String,
    model: String,
    effective_from: i64,
    input: i64,
    output: i64,
    cache_read: Option<i64>,
    cache_write_5m: Option<i64>,
    cache_write_1h: Option<i64>,
    created_at: i64,
}

impl TryFrom<Row> for Override {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let price = |column| u64::try_from(column).map(PicoPerToken).map_err(StoreError::corrupt);
        Ok(Self {
            provider: decode::parsed(&row.provider)?,
            model: row.model,
            input: price(row.input)?,
            output: price(row.output)?,
            cache_read: row.cache_read.map(price).transpose()?,
            cache_write_5m: row.cache_write_5m.map(price).transpose()?,
            cache_write_1h: row.cache_write_1h.map(price).transpose()?,
            effective_from: Timestamp::from_millis(row.effective_from),
        })
    }
}

/// All prices that administrators have set, by model and moment. One that cannot be read is an error: the rest alone
/// would be a price list that no administrator has set.
pub(crate) async fn overrides(c: &mut Conn) -> Result<Vec<Override>> {
    use price_overrides::{effective_from, model, provider};
    let rows: Vec<Row> =
        price_overrides::table.order((provider, model, effective_from)).select(Row::as_select()).load(c).await?;
    rows.into_iter().map(Override::try_from).collect()
}

/// Sets prices. They replace those of the same model from the same moment on.
pub(crate) async fn set(c: &mut Conn, new: Override, by: Author) -> Result<()> {
    use price_overrides::{effective_from, model, provider};
    let column = |price: PicoPerToken| i64::try_from(price.0).map_err(StoreError::corrupt);
    let row = Row {
        provider: new.provider.as_str().to_owned(),
        input: column(new.input)?,
        output: column(new.output)?,
        cache_read: new.cache_read.map(column).transpose()?,
        cache_write_5m: new.cache_write_5m.map(column).transpose()?,
        cache_write_1h: new.cache_write_1h.map(column).transpose()?,
        effective_from: new.effective_from.millis(),
        model: new.model,
        created_at: by.at.millis(),
    };
    let object = format!("price {}/{}", row.provider, row.model);
    let detail = format!("from {} on", new.effective_from.rfc3339());
    tx!(c, {
        diesel::insert_into(price_overrides::table)
            .values(&row)
            .on_conflict((provider, model, effective_from))
            .do_update()
            .set(&row)
            .execute(c)
            .await?;
        super::audit::note(c, &by, Action::PriceSet, object, detail).await?;
        super::changes::note(c, Change::PRICES, by.at).await
    })
}
