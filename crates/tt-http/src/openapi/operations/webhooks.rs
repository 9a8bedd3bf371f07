//! The calls of `/manage/webhooks`.

use http::StatusCode;

use crate::manage::webhooks::{DeliveryView, Page, Tested, WebhookChange, WebhookView, WebhookWish, WithSecret};
use crate::openapi::operation::Operation;
use crate::openapi::parameters::page;
use crate::openapi::schemas::Schemas;

pub(crate) fn create(schemas: &mut Schemas) -> Operation {
    Operation::new("createWebhook", "Make a webhook")
        .says(
            "Alerts are sent there by POST, signed as Standard Webhooks has it. The secret is shown by this call and by a \
             rotation only.",
        )
        .takes(schemas.read::<WebhookWish>())
        .gives(StatusCode::CREATED, "The webhook, with its secret.", schemas.written::<WithSecret>())
        .fails([StatusCode::FORBIDDEN, StatusCode::CONFLICT])
}

pub(crate) fn list(schemas: &mut Schemas) -> Operation {
    Operation::new("listWebhooks", "The caller's webhooks").gives(
        StatusCode::OK,
        "The webhooks, without their secrets.",
        schemas.written::<Vec<WebhookView>>(),
    )
}

pub(crate) fn show(schemas: &mut Schemas) -> Operation {
    Operation::new("getWebhook", "One of the caller's webhooks").gives(
        StatusCode::OK,
        "The webhook, without its secret.",
        schemas.written::<WebhookView>(),
    )
}

pub(crate) fn update(schemas: &mut Schemas) -> Operation {
    Operation::new("updateWebhook", "Change a webhook")
        .says("What waits to be sent to a webhook that is switched off is given up.")
        .takes(schemas.read::<WebhookChange>())
        .gives(StatusCode::OK, "The webhook as it is now.", schemas.written::<WebhookView>())
}

pub(crate) fn delete(_: &mut Schemas) -> Operation {
    Operation::new("deleteWebhook", "Delete a webhook").gives_nothing(StatusCode::NO_CONTENT, "The webhook is deleted.")
}

pub(crate) fn rotate(schemas: &mut Schemas) -> Operation {
    Operation::new("rotateWebhookSecret", "Replace the secret of a webhook").gives(
        StatusCode::OK,
        "The webhook, with its new secret.",
        schemas.written::<WithSecret>(),
    )
}

pub(crate) fn test(schemas: &mut Schemas) -> Operation {
    Operation::new("testWebhook", "Try a webhook").says("It sends an event `webhook.test` once.").gives(
        StatusCode::OK,
        "The outcome of the test.",
        schemas.written::<Tested>(),
    )
}

pub(crate) fn deliveries(schemas: &mut Schemas) -> Operation {
    Operation::new("listWebhookDeliveries", "What was sent to a webhook, the newest first").query(page()).gives(
        StatusCode::OK,
        "A page of deliveries.",
        schemas.written::<Page>(),
    )
}

pub(crate) fn redeliver(schemas: &mut Schemas) -> Operation {
    Operation::new("redeliverWebhook", "Send a delivery again")
        .says("The body and its id are the same.")
        .gives(StatusCode::ACCEPTED, "The delivery, which is due now.", schemas.written::<DeliveryView>())
        .fails([StatusCode::CONFLICT])
}
