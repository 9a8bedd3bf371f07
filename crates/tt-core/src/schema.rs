//! JSON Schemas of the types that write themselves: money, prices, times, ids of requests, target models.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::price::PicoPerToken;
use crate::routing::TargetModel;
use crate::{NanoUsd, RequestId, Timestamp};

macro_rules! schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema!(NanoUsd, "Usd", { "type": "number" });
schema!(PicoPerToken, "UsdPerMillion", { "type": "number", "minimum": 0 });
schema!(Timestamp, "Timestamp", { "type": "string", "format": "date-time" });
schema!(RequestId, "RequestId", { "type": "string", "format": "uuid" });
schema!(TargetModel, "TargetModel", { "type": "string" });
