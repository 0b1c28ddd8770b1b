//! Objects of which most operations ask for nothing that has to be waited for.

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::ContainerType;
use async_graphql::{ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value};

/// What knows which of its fields have their values at hand.
pub trait HasAtHand: ContainerType {
    /// Whether the resolver of this field answers without waiting.
    fn has_at_hand(&self, field: &str) -> bool;
}

/// An object that is written in one go if all that is asked for is at hand, one field after the
/// other. The library has every field of every object as a future of its own on the heap, so that
/// those that wait can do so together: here none does. To clients it is the object.
#[derive(Clone, Debug)]
pub struct AtHand<T>(pub T);

impl<T: HasAtHand> AtHand<T> {
    /// None if something has to be waited for, or something is asked for in another way than by plain
    /// fields with names of their own.
    async fn write(&self, ctx: &ContextSelectionSet<'_>) -> Option<ServerResult<Value>> {
        let items = &ctx.item.node.items;
        let is_at_hand = |item: &Positioned<Selection>| match &item.node {
            Selection::Field(field) => {
                let name = field.node.name.node.as_str();
                field.node.directives.is_empty()
                    && (name == "__typename" || self.0.has_at_hand(name))
            }
            _ => false,
        };
        if !items.iter().all(is_at_hand) {
            return None;
        }
        let mut object: IndexMap<Name, Value> = IndexMap::with_capacity(items.len());
        for item in items {
            let Selection::Field(field) = &item.node else {
                return None;
            };
            let value = if field.node.name.node == "__typename" {
                Value::String(self.0.introspection_type_name().into_owned())
            } else {
                match self.0.resolve_field(&ctx.with_field(field)).await {
                    Ok(value) => value.unwrap_or_default(),
                    Err(error) => return Some(Err(error)),
                }
            };
            let name = field.node.response_key().node.clone();
            // Twice the same: the library knows how to merge the two.
            if object.insert(name, value).is_some() {
                return None;
            }
        }
        Some(Ok(Value::Object(object)))
    }
}

impl<T: HasAtHand> OutputType for AtHand<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        match self.write(ctx).await {
            Some(written) => written,
            // On the heap: an object at hand is not to have the room for this.
            None => Box::pin(self.0.resolve(ctx, field)).await,
        }
    }
}
