//! What the ids and other words of [`crate::ids`] look like, for the API's OpenAPI document.
//!
//! A pattern here is what `FromStr` takes, so that a client may rely on either. Read next: [`crate::api`].

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{ArrayBuilder, KnownFormat, SchemaFormat, SchemaType, Type},
    },
};

use crate::{
    call::Dialled,
    ids::{
        CallId, CallSid, CodeId, Email, Emergency, Extension, GroupId, Language, LegId, Phone,
        QueueId, SafeText, SessionId, SlotId, Timestamp, UserId,
    },
    machine::Target,
    policy::{Permission, Rights},
    secret::Secret,
};

/// A text of that shape, with an example of it.
fn text(pattern: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .pattern(Some(pattern))
        .examples([example])
}

macro_rules! texts {
    ($($name:ty: $pattern:literal, $example:literal;)+) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($pattern, $example).into()
            }
        }
        impl ToSchema for $name {}
    )+};
}

texts! {
    CallId: "^c_[01234567][0123456789abcdefghjkmnpqrstvwxyz]{25}$", "c_00000000000000000000000000";
    LegId: "^c_[01234567][0123456789abcdefghjkmnpqrstvwxyz]{25}\\.[0-9]{1,5}$", "c_00000000000000000000000000.1";
    CallSid: "^CA[0-9a-fA-F]{32}$", "CA0123456789abcdef0123456789abcdef";
    UserId: "^u(0|[1-9][0-9]{0,8})$", "u7";
    SlotId: "^[A-Za-z0-9_-]{1,16}$", "P2";
    QueueId: "^[A-Za-z0-9_-]{1,16}$", "desk";
    GroupId: "^[A-Za-z0-9_-]{1,16}$", "sales";
    SessionId: "^[0-9a-f]{16}$", "0123456789abcdef";
    CodeId: "^[0-9a-f]{16}$", "0123456789abcdef";
    Extension: "^[0-9]{2,6}$", "107";
    Language: "^[a-z]{2,3}(-[A-Z]{2})?$", "pt-BR";
    Email: "^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$", "ada@example.com";
    Phone: "^\\+[1-9][0-9]{1,14}$", "+14155550132";
    Emergency: "^(911|933|112|999|000|110|111|113|114|115|117|118|119|144)$", "112";
    Dialled: "^(\\+[1-9][0-9]{1,14}|[0-9]{3}|withheld)$", "+14155550132";
    Target: "^(u(0|[1-9][0-9]{0,8})|\\+[1-9][0-9]{1,14})$", "u7";
}

impl PartialSchema for SafeText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .max_length(Some(512))
            .examples(["Ada Lovelace"])
            .into()
    }
}
impl ToSchema for SafeText {}

impl PartialSchema for Secret {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .into()
    }
}
impl ToSchema for Secret {}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}
impl ToSchema for Timestamp {}

impl PartialSchema for Rights {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Permission::schema())
            .unique_items(true)
            .description(Some(
                "Whoever has `calls` has `board` with it, given or not.",
            ))
            .into()
    }
}
impl ToSchema for Rights {}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn an_address_that_is_taken_is_one_that_is_described() {
        let described = serde_json::to_value(Email::schema()).unwrap();
        let described = Regex::new(described["pattern"].as_str().unwrap()).unwrap();
        for address in [
            "ada@example.com",
            "ada.l+desk@mail.example.co.uk",
            "somebody-with-quite-a-long-name@an-office.example.com",
            "o'neill_{42}@x-1.example",
            "a@1.2",
        ] {
            assert!(address.parse::<Email>().is_ok(), "{address}");
            assert!(described.is_match(address), "{address}");
        }
        for other in [
            "ada@example",
            "@example.com",
            "ada@-x.com",
            "ada..l@example.com",
            "Ada@example.com",
        ] {
            assert!(other.parse::<Email>().is_err(), "{other}");
            assert!(!described.is_match(other), "{other}");
        }
    }
}
