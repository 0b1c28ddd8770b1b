//! Whether values fit the types of the schema, before anything runs. The library finds some that do
//! not only while a field runs: when a part of a mutation may be done already.
//!
//! What is refused is named by its place, as `$input.dueAt`, and never repeated.

use std::collections::HashMap;

use async_graphql::parser::types::{
    BaseType, ExecutableDocument, OperationDefinition, Type, VariableDefinition,
};
use async_graphql::{Name, Variables};
use async_graphql_value::{ConstValue, Number, Value};
use serde_json::{Map, Value as Json};

use super::clip;
use super::types::{Definition, Input, InputObject, Scalar, Types, base_name};
use crate::graphql::{ApiError, Date, ErrorCode, is_date_time};

/// Checks the values of the variables of an operation, and answers those it has, with the defaults
/// of those that are not given: the library overlooks a default in `@skip` and `@include`.
///
/// The types and defaults of the other operations are checked, too, since the library reads them.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` for the first value that does not fit.
pub fn variables(
    document: &ExecutableDocument,
    chosen: &OperationDefinition,
    types: &Types,
    mut given: Map<String, Json>,
    steps: &mut usize,
) -> Result<Variables, ApiError> {
    for (_, operation) in document.operations.iter() {
        for definition in &operation.node.variable_definitions {
            check_definition(&definition.node, types, steps)?;
        }
    }
    let mut variables = Variables::default();
    for definition in &chosen.variable_definitions {
        let definition = &definition.node;
        let name = &definition.name.node;
        let ty = &definition.var_type.node;
        let value = match (given.remove(name.as_str()), &definition.default_value) {
            (Some(value), _) => {
                let mut check = Check::of_variable(types, name, steps);
                check.value(ty, false, Given::Json(&value))?;
                ConstValue::from_json(value)
                    .map_err(|_| check.refusal("must be a value of GraphQL"))?
            }
            (None, Some(default)) => default.node.clone(),
            (None, None) if ty.nullable => continue,
            (None, None) => return Err(Check::of_variable(types, name, steps).missing(ty)),
        };
        variables.insert(name.clone(), value);
    }
    Ok(variables)
}

fn check_definition(
    definition: &VariableDefinition,
    types: &Types,
    steps: &mut usize,
) -> Result<(), ApiError> {
    let name = &definition.name.node;
    let ty = &definition.var_type.node;
    let mut check = Check::of_variable(types, name, steps);
    if !types.is_input(base_name(ty)) {
        let base = clip(base_name(ty));
        return Err(check.refusal(&format!(
            "is of the type {base}, which this server does not take"
        )));
    }
    match &definition.default_value {
        Some(default) => check.value(
            ty,
            false,
            Given::Literal(&default.node.clone().into_value()),
        ),
        None => Ok(()),
    }
}

/// A value, however it came.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    /// Among the variables.
    Json(&'a Json),
    /// In the document.
    Literal(&'a Value),
}

/// What kind of value it is.
enum Shape<'a> {
    Null,
    Variable(&'a Name),
    Boolean,
    Number(&'a Number),
    Text(&'a str),
    /// A word without quotes; variables have none.
    Word(&'a str),
    List(Vec<Given<'a>>),
    Object(Vec<(&'a str, Given<'a>)>),
}

impl<'a> Given<'a> {
    fn shape(self) -> Shape<'a> {
        match self {
            Self::Json(Json::Null) | Self::Literal(Value::Null | Value::Binary(_)) => Shape::Null,
            Self::Json(Json::Bool(_)) | Self::Literal(Value::Boolean(_)) => Shape::Boolean,
            Self::Json(Json::Number(number)) | Self::Literal(Value::Number(number)) => {
                Shape::Number(number)
            }
            Self::Json(Json::String(text)) | Self::Literal(Value::String(text)) => {
                Shape::Text(text)
            }
            Self::Json(Json::Array(items)) => Shape::List(items.iter().map(Given::Json).collect()),
            Self::Json(Json::Object(fields)) => Shape::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), Given::Json(value)))
                    .collect(),
            ),
            Self::Literal(Value::Variable(name)) => Shape::Variable(name),
            Self::Literal(Value::Enum(name)) => Shape::Word(name),
            Self::Literal(Value::List(items)) => {
                Shape::List(items.iter().map(Given::Literal).collect())
            }
            Self::Literal(Value::Object(fields)) => Shape::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), Given::Literal(value)))
                    .collect(),
            ),
        }
    }
}

/// The variables of the operation that will run.
pub struct Scope<'a> {
    definitions: HashMap<&'a Name, &'a VariableDefinition>,
    values: &'a Variables,
}

impl<'a> Scope<'a> {
    /// Those of this operation, with these values.
    pub fn new(operation: &'a OperationDefinition, values: &'a Variables) -> Self {
        let definitions = operation.variable_definitions.iter();
        let definitions = definitions
            .map(|definition| (&definition.node.name.node, &definition.node))
            .collect();
        Self {
            definitions,
            values,
        }
    }
}

/// A value that is being checked, and the way to it.
pub struct Check<'a, 's> {
    types: &'a Types,
    scope: Option<&'a Scope<'a>>,
    path: String,
    steps: &'s mut usize,
}

impl<'a, 's> Check<'a, 's> {
    fn of_variable(types: &'a Types, name: &Name, steps: &'s mut usize) -> Self {
        Self {
            types,
            scope: None,
            path: format!("${}", clip(name)),
            steps,
        }
    }

    /// Of an argument, with the variables that may stand there.
    pub fn of_argument(
        types: &'a Types,
        scope: Option<&'a Scope<'a>>,
        path: String,
        steps: &'s mut usize,
    ) -> Self {
        Self {
            types,
            scope,
            path,
            steps,
        }
    }

    /// A value where the schema has a place for it.
    pub fn input(&mut self, input: &Input, given: Given<'_>) -> Result<(), ApiError> {
        self.value(&input.ty, input.has_default, given)
    }

    fn value(&mut self, ty: &Type, has_default: bool, given: Given<'_>) -> Result<(), ApiError> {
        *self.steps += 1;
        match (given.shape(), &ty.base) {
            (Shape::Variable(name), _) => self.variable(ty, has_default, name),
            (Shape::Null, _) if ty.nullable => Ok(()),
            (Shape::Null, _) => Err(self.refusal(&format!("must be a value of the type {ty}"))),
            (Shape::List(items), BaseType::List(item)) => items
                .into_iter()
                .enumerate()
                .try_for_each(|(index, given)| {
                    self.inside(&format!("[{index}]"), |check| {
                        check.value(item, false, given)
                    })
                }),
            // One value stands for a list of it.
            (_, BaseType::List(item)) => self.value(item, false, given),
            (shape, BaseType::Named(name)) => self.named(name, given, &shape),
        }
    }

    /// A variable where a type is wanted: "All Variable Usages Are Allowed". The library has this
    /// rule and never asks it.
    fn variable(&self, wanted: &Type, has_default: bool, name: &Name) -> Result<(), ApiError> {
        // One that is not defined the library notices.
        let Some((scope, definition)) = self
            .scope
            .and_then(|scope| Some((scope, scope.definitions.get(name)?)))
        else {
            return Ok(());
        };
        let ty = &definition.var_type.node;
        let own_default = definition.default_value.as_ref();
        let fits = if ty.nullable && !wanted.nullable {
            let has_own = own_default.is_some_and(|value| value.node != ConstValue::Null);
            // Left out it is fine then, but not as null.
            let is_null = scope.values.get(name) == Some(&ConstValue::Null);
            (has_own || has_default) && !is_null && compatible(&ty.base, &wanted.base)
        } else {
            compatible(&ty.base, &wanted.base)
        };
        if fits {
            return Ok(());
        }
        let name = clip(name);
        Err(self.refusal(&format!(
            "must be of the type {wanted}, and the variable ${name} may be something else"
        )))
    }

    fn named(&mut self, name: &str, given: Given<'_>, shape: &Shape<'_>) -> Result<(), ApiError> {
        let fits = match (self.types.get(name), shape) {
            (Some(Definition::Scalar(scalar)), shape) => scalar.takes(shape),
            // Among the variables the values of an enum are texts, in the document words.
            (Some(Definition::Enum(values)), Shape::Text(text)) => {
                matches!(given, Given::Json(_)) && values.contains(*text)
            }
            (Some(Definition::Enum(values)), Shape::Word(word)) => values.contains(*word),
            (Some(Definition::Input(object)), Shape::Object(fields)) => {
                return self.object(name, object, fields);
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let hint = match self.types.get(name) {
            Some(Definition::Scalar(Scalar::DateTime)) => {
                ", as RFC 3339 has it: 2026-11-22T01:45:00Z".to_owned()
            }
            Some(Definition::Scalar(Scalar::Date)) => ", a day that exists: 2026-11-22".to_owned(),
            Some(Definition::Enum(values)) => {
                let mut values: Vec<_> = values.iter().map(String::as_str).collect();
                values.sort_unstable();
                format!(", one of {}", values.join(", "))
            }
            _ => String::new(),
        };
        Err(self.refusal(&format!("must be a value of the type {name}{hint}")))
    }

    fn object(
        &mut self,
        name: &str,
        object: &InputObject,
        fields: &[(&str, Given<'_>)],
    ) -> Result<(), ApiError> {
        for (field, given) in fields {
            let Some(input) = object.fields.get(*field) else {
                let field = clip(field);
                return Err(self.refusal(&format!(
                    "is of the type {name}, which has no field `{field}`"
                )));
            };
            self.inside(&format!(".{field}"), |check| check.input(input, *given))?;
        }
        for field in &object.required {
            *self.steps += 1;
            if !fields.iter().any(|(given, _)| given == field) {
                let ty = &object.fields[field].ty;
                return self.inside(&format!(".{field}"), |check| Err(check.missing(ty)));
            }
        }
        let one = matches!(fields, [(_, given)] if !matches!(given.shape(), Shape::Null));
        if object.one_of && !one {
            return Err(self.refusal(&format!(
                "is of the type {name}, which takes exactly one field"
            )));
        }
        Ok(())
    }

    /// Does something one step further in.
    fn inside<T>(&mut self, step: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(step);
        let done = run(self);
        self.path.truncate(length);
        done
    }

    fn missing(&self, ty: &Type) -> ApiError {
        self.refusal(&format!("needs a value of the type {ty}"))
    }

    fn refusal(&self, what: &str) -> ApiError {
        ApiError::new(
            ErrorCode::GraphqlValidationFailed,
            format!("`{}` {what}.", self.path),
        )
    }
}

/// Whether everything that fits the first fits the second.
fn compatible(given: &BaseType, wanted: &BaseType) -> bool {
    match (given, wanted) {
        (BaseType::Named(given), BaseType::Named(wanted)) => given == wanted,
        (BaseType::List(given), BaseType::List(wanted)) => {
            (wanted.nullable || !given.nullable) && compatible(&given.base, &wanted.base)
        }
        _ => false,
    }
}

impl Scalar {
    fn takes(self, shape: &Shape<'_>) -> bool {
        match (self, shape) {
            (Self::Int, Shape::Number(number)) => number
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            (Self::Id, Shape::Number(number)) => number.is_i64(),
            (Self::DateTime, Shape::Text(text)) => is_date_time(text),
            (Self::Date, Shape::Text(text)) => Date::parse(text).is_some(),
            (Self::Float, Shape::Number(_))
            | (Self::String | Self::Id, Shape::Text(_))
            | (Self::Boolean, Shape::Boolean)
            | (Self::Other, _) => true,
            _ => false,
        }
    }
}
