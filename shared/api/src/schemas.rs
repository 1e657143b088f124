//! The schemas of what is read or written by hand; the others are derived.

use crate::flink::{OperationStatus, Quantile, QueueStatus};
use crate::{ConfigurationPatch, LONGEST_REASON, Lasting};
use ckpt_types::bounds::{LONGEST, SHORTEST};
use ckpt_types::duration::millis;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

impl PartialSchema for Quantile {
    fn schema() -> RefOr<Schema> {
        let nan = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["NaN"]));
        OneOfBuilder::new()
            .item(Object::with_type(Type::Number))
            .item(nan)
            .description(Some("A quantile; without a sample Flink writes the text `\"NaN\"`."))
            .into()
    }
}

impl ToSchema for Quantile {}

impl PartialSchema for ConfigurationPatch {
    fn schema() -> RefOr<Schema> {
        let value = |what: &str| {
            ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
                .minimum(Some(millis(SHORTEST)))
                .maximum(Some(millis(LONGEST)))
                .description(Some(format!(
                    "{what}, in milliseconds. `null` clears its override; left out, it stays as it is."
                )))
        };
        let pull_in = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .default(Some(false.into()))
            .description(Some("Brings the pending trigger forward to now + interval."));
        let lasting = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
            .minimum(Some(millis(Lasting::SHORTEST)))
            .maximum(Some(millis(LONGEST)))
            .description(Some(
                "How long what is set lasts, in milliseconds: then what was in force before applies again. `null` is \
                 until somebody ends it; left out, it lasts as ckptd is configured, and else for ever.",
            ));
        let reason = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(LONGEST_REASON))
            .pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*$"))
            .description(Some("Why, for whoever comes after: one plain line."));
        ObjectBuilder::new()
            .property("checkpointInterval", value("How often a checkpoint is triggered"))
            .property("checkpointTimeout", value("How long a checkpoint may take"))
            .property("pullIn", pull_in)
            .property("for", lasting)
            .property("reason", reason)
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .description(Some(
                "A change of a job's checkpoint configuration: at least one of the two values. Both change together \
                 or not at all.",
            ))
            .into()
    }
}

impl ToSchema for ConfigurationPatch {}

impl<T: ToSchema> PartialSchema for OperationStatus<T> {
    fn schema() -> RefOr<Schema> {
        let result = OneOfBuilder::new()
            .item(T::schema())
            .item(Object::with_type(Type::Null))
            .description(Some("What came of it; `null` as long as it is under way."));
        ObjectBuilder::new()
            .property("status", QueueStatus::schema())
            .property("operation", result)
            .required("status")
            .required("operation")
            .description(Some("How far an asynchronous operation is, and what came of it."))
            .into()
    }
}

impl<T: ToSchema> ToSchema for OperationStatus<T> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        QueueStatus::schemas(schemas);
        T::schemas(schemas);
    }
}
