//! Reading past what is not needed.

use serde::Deserialize as _;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess};

/// Reads past the rest of a list.
pub(super) fn skip_list<'de, A: SeqAccess<'de>>(list: A) -> Result<(), A::Error> {
    IgnoredAny::deserialize(SeqAccessDeserializer::new(list)).map(|_| ())
}

/// Reads past the rest of an object.
pub(super) fn skip_object<'de, A: MapAccess<'de>>(object: A) -> Result<(), A::Error> {
    IgnoredAny::deserialize(MapAccessDeserializer::new(object)).map(|_| ())
}
