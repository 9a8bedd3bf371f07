//! The tables as diesel sees them, for both databases. Written by hand; a test reads every column of every table.
//!
//! The hourly sums, and the cost by class in `request_logs`, are not here: statements that are text name these columns
//! (`rollup.rs`, `sums.rs`), and diesel's quicker builds take no table of more than 32 columns.

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        password_hash -> Text,
        role -> Text,
        disabled -> Bool,
        rate_limit_minute -> BigInt,
        rate_limit_daily -> BigInt,
        created_at -> BigInt,
        budget_nano -> Nullable<BigInt>,
        budget_period -> Nullable<Text>,
        own_budget_nano -> Nullable<BigInt>,
        own_budget_period -> Nullable<Text>,
        budget_soft -> Bool,
        own_budget_soft -> Bool,
    }
}

diesel::table! {
    sessions (id) {
        id -> BigInt,
        user_id -> BigInt,
        jti_hash -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    known_addresses (address_hash) {
        address_hash -> Text,
        user_id -> BigInt,
        last_success_at -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        user_id -> BigInt,
        key_hash -> Text,
        name -> Nullable<Text>,
        prefix -> Text,
        scopes -> Text,
        allowed_aliases -> Nullable<Text>,
        rate_limit_minute -> BigInt,
        rate_limit_daily -> BigInt,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        budget_nano -> Nullable<BigInt>,
        budget_period -> Nullable<Text>,
        grace_ends_at -> Nullable<BigInt>,
        budget_soft -> Bool,
    }
}

diesel::table! {
    provider_keys (id) {
        id -> BigInt,
        user_id -> BigInt,
        provider -> Text,
        label -> Nullable<Text>,
        base_url -> Nullable<Text>,
        seal_id -> Text,
        sealed -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    provider_models (provider_key_id) {
        provider_key_id -> BigInt,
        user_id -> BigInt,
        models -> Text,
        fetched_at -> BigInt,
        claimed_until -> BigInt,
    }
}

diesel::table! {
    model_aliases (id) {
        id -> BigInt,
        user_id -> BigInt,
        alias -> Text,
        target_model -> Text,
        provider_key_id -> BigInt,
        fallback_alias_id -> Nullable<BigInt>,
        use_light_model -> Bool,
        light_model_threshold -> BigInt,
        light_model -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    changes (id) {
        id -> BigInt,
        user_id -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    request_logs (created_at, request_id) {
        created_at -> BigInt,
        request_id -> Text,
        user_id -> BigInt,
        api_key_id -> Nullable<BigInt>,
        alias -> Text,
        route -> Nullable<Text>,
        provider -> Nullable<Text>,
        model -> Nullable<Text>,
        stream -> Bool,
        status -> Nullable<BigInt>,
        outcome -> Text,
        input_tokens -> BigInt,
        cache_read_tokens -> BigInt,
        cache_write_5m_tokens -> BigInt,
        cache_write_1h_tokens -> BigInt,
        output_tokens -> BigInt,
        reasoning_tokens -> Nullable<BigInt>,
        usage_source -> Text,
        cost_nano -> Nullable<BigInt>,
        unpriced -> Bool,
        saved_nano -> BigInt,
        latency_ms -> BigInt,
        first_token_ms -> Nullable<BigInt>,
        attempts -> BigInt,
        error -> Nullable<Text>,
        dialect -> Text,
        client -> Nullable<Text>,
        session -> Nullable<Text>,
        tags -> Nullable<Text>,
        other_usage -> Nullable<Text>,
        details -> Text,
    }
}

diesel::table! {
    usage_tag_values (user_id, day, tag_name, tag_value) {
        user_id -> BigInt,
        day -> BigInt,
        tag_name -> Text,
        tag_value -> Text,
    }
}

diesel::table! {
    spending (user_id, api_key_id, period, starts_at) {
        user_id -> BigInt,
        api_key_id -> BigInt,
        period -> Text,
        starts_at -> BigInt,
        cost_nano -> BigInt,
        revision -> BigInt,
    }
}

diesel::table! {
    journal_cursors (journal) {
        journal -> Text,
        segment -> BigInt,
        offset -> BigInt,
    }
}

diesel::table! {
    price_overrides (provider, model, effective_from) {
        provider -> Text,
        model -> Text,
        effective_from -> BigInt,
        input -> BigInt,
        output -> BigInt,
        cache_read -> Nullable<BigInt>,
        cache_write_5m -> Nullable<BigInt>,
        cache_write_1h -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        at -> BigInt,
        user_id -> Nullable<BigInt>,
        actor -> Nullable<Text>,
        action -> Text,
        object -> Text,
        detail -> Text,
        address -> Nullable<Text>,
    }
}

diesel::table! {
    webhooks (id) {
        id -> BigInt,
        user_id -> BigInt,
        scope -> Text,
        url -> Text,
        label -> Nullable<Text>,
        events -> Text,
        active -> Bool,
        seal_id -> Text,
        sealed -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    alerts (id) {
        id -> BigInt,
        user_id -> BigInt,
        event -> Text,
        once -> Text,
        event_id -> Text,
        body -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> BigInt,
        webhook_id -> BigInt,
        user_id -> BigInt,
        alert_id -> BigInt,
        created_at -> BigInt,
        next_attempt_at -> Nullable<BigInt>,
        attempts -> BigInt,
        first_attempt_at -> Nullable<BigInt>,
        last_attempt_at -> Nullable<BigInt>,
        last_status -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        delivered_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    installation (one) {
        one -> BigInt,
        name -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, sessions, api_keys, provider_keys, provider_models, model_aliases);
diesel::allow_tables_to_appear_in_same_query!(request_logs, users);
diesel::allow_tables_to_appear_in_same_query!(webhooks, users);
diesel::allow_tables_to_appear_in_same_query!(webhooks, api_keys);
diesel::allow_tables_to_appear_in_same_query!(webhook_deliveries, alerts, webhooks);

#[cfg(test)]
mod tests {
    use diesel::prelude::*;
    use diesel_async::RunQueryDsl;
    use tt_testkit::database::TestDb;

    use super::*;
    use crate::rollup::{HOURLY_KEY, TAGS_HOURLY_KEY};
    use crate::sums::{COSTS, SUMS};
    use crate::{Store, StoreConfig, pg, sqlite};

    /// Reads every column of each table and checks that none is left out.
    macro_rules! read_all {
        ($conn:expr, $backend:ty, $columns:expr, $($table:ident),* $(,)?) => { $({
            let read = $table::table.select($table::all_columns).limit(0).execute($conn).await;
            assert!(read.is_ok(), "{}: {read:?}", stringify!($table));
            let sql = diesel::debug_query::<$backend, _>(&$table::table.select($table::all_columns)).to_string();
            let known = sql.split(" FROM ").next().unwrap_or_default().matches(',').count() + 1;
            let query = format!($columns, stringify!($table));
            let there: i64 =
                diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(&query)).get_result($conn).await.unwrap();
            let unknown = if stringify!($table) == "request_logs" { COSTS.len() } else { 0 };
            assert_eq!(i64::try_from(known + unknown), Ok(there), "columns of {}", stringify!($table));
        })* };
    }

    /// Reads every column of the tables that only text names, and checks that none is left out.
    macro_rules! read_texts {
        ($conn:expr, $columns:expr) => {
            for (table, names) in [
                ("request_logs", COSTS.to_vec()),
                ("usage_hourly", HOURLY_KEY.split(", ").chain(SUMS).collect()),
                ("usage_tags_hourly", TAGS_HOURLY_KEY.split(", ").chain(SUMS).collect()),
            ] {
                let read = diesel::sql_query(format!("SELECT {} FROM {table}", names.join(", "))).execute($conn).await;
                assert!(read.is_ok(), "{table}: {read:?}");
                let query = $columns.replace("{}", table);
                let there: i64 = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(&query))
                    .get_result($conn)
                    .await
                    .unwrap();
                assert!(table == "request_logs" || i64::try_from(names.len()) == Ok(there), "columns of {table}");
            }
        };
    }

    macro_rules! tables {
        ($conn:expr, $backend:ty, $columns:expr) => {
            read_all!(
                $conn,
                $backend,
                $columns,
                users,
                sessions,
                known_addresses,
                api_keys,
                provider_keys,
                provider_models,
                model_aliases,
                changes,
                request_logs,
                usage_tag_values,
                spending,
                journal_cursors,
                price_overrides,
                audit,
                installation,
                webhooks,
                alerts,
                webhook_deliveries
            );
            read_texts!($conn, $columns)
        };
    }

    async fn migrated(db: &TestDb) {
        let config = StoreConfig::new(db.url().into(), tokio::runtime::Handle::current());
        Store::open(config).unwrap().migrate().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_column_is_there_on_sqlite() {
        use diesel_async::AsyncConnection;
        let db = TestDb::sqlite();
        migrated(&db).await;
        let mut conn = sqlite::Conn::establish(db.url().trim_start_matches("sqlite://")).await.unwrap();
        tables!(&mut conn, diesel::sqlite::Sqlite, "(SELECT COUNT(*) FROM pragma_table_info('{}'))");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_column_is_there_on_postgres() {
        use diesel_async::AsyncConnection;
        let db = TestDb::postgres().await;
        migrated(&db).await;
        let mut conn = pg::Conn::establish(db.url()).await.unwrap();
        tables!(&mut conn, diesel::pg::Pg, "(SELECT COUNT(*) FROM information_schema.columns WHERE table_name = '{}')");
    }
}
