//! Changing labels, in GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::LabelId;

use super::api::Label;
use super::service::{self, Edit};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, UserError};
use crate::tasks::error::told;

/// The label to make.
#[derive(InputObject)]
pub struct CreateLabelInput {
    /// The word: one line of 1 to 50 characters, unlike those of all other labels in any case.
    name: String,
    /// The colour, as `#rrggbb`; a grey when not given.
    color: Option<String>,
}

/// What is to change of a label. A field that is absent keeps its value.
#[derive(InputObject)]
pub struct UpdateLabelInput {
    /// Which label.
    id: ID,
    /// The new word.
    name: Option<String>,
    /// The new colour.
    color: Option<String>,
}

/// Which label is to go.
#[derive(InputObject)]
pub struct DeleteLabelInput {
    /// Which label.
    id: ID,
}

/// The label that was made.
#[derive(SimpleObject)]
pub struct CreateLabelPayload {
    /// The label; null when there are user errors.
    label: Option<Label>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The label that was changed.
#[derive(SimpleObject)]
pub struct UpdateLabelPayload {
    /// The label; null when there are user errors.
    label: Option<Label>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The label that is gone.
#[derive(SimpleObject)]
pub struct DeleteLabelPayload {
    /// Its id; null when there are user errors.
    deleted_label_id: Option<ID>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Changing labels.
#[derive(Debug, Default)]
pub struct LabelMutation;

#[Object]
impl LabelMutation {
    /// Makes a label for the whole server. Everybody who is signed in may.
    async fn create_label(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The label to make.")] input: CreateLabelInput,
    ) -> Result<CreateLabelPayload, ApiError> {
        let (viewer, color) = (ctx.viewer()?, input.color.as_deref());
        let label = service::create(ctx.app(), viewer, &input.name, color).await;
        let (label, user_errors) = told(label.map(Label))?;
        Ok(CreateLabelPayload { label, user_errors })
    }

    /// Changes a label. Administrators may, and its creator while they see all tasks it stands on.
    async fn update_label(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateLabelInput,
    ) -> Result<UpdateLabelPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = LabelId(Kind::Label.decode(&input.id)?);
        let edit = Edit {
            name: input.name,
            color: input.color,
        };
        let label = service::update(ctx.app(), viewer, id, edit).await;
        let (label, user_errors) = told(label.map(Label))?;
        Ok(UpdateLabelPayload { label, user_errors })
    }

    /// Deletes a label: no task has it any more. Administrators may, and its creator while they see all
    /// tasks it stands on.
    async fn delete_label(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which label is to go.")] input: DeleteLabelInput,
    ) -> Result<DeleteLabelPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = LabelId(Kind::Label.decode(&input.id)?);
        let (gone, user_errors) = told(service::delete(ctx.app(), viewer, id).await)?;
        Ok(DeleteLabelPayload {
            deleted_label_id: gone.map(|()| input.id),
            user_errors,
        })
    }
}
