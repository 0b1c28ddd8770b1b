//! What the schema takes: read once, at the start, from its own printed form, since the library
//! keeps its registry to itself.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputObjectType, InputValueDefinition, OperationType, Type,
    TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::parser::{Error, parse_schema};
use async_graphql::{Name, Positioned};

/// The types of a schema, as far as values and fragments ask for them.
#[derive(Debug)]
pub struct Types {
    named: HashMap<String, Definition>,
    directives: HashMap<String, Inputs>,
    query: Option<String>,
    mutation: Option<String>,
    subscription: Option<String>,
}

/// A type.
#[derive(Debug)]
pub enum Definition {
    /// One of the scalars of [`Scalar`].
    Scalar(Scalar),
    /// Its values.
    Enum(HashSet<String>),
    /// An object that is sent.
    Input(InputObject),
    /// An object or interface that is answered.
    Output {
        /// Whether it is an object: two objects never overlap, an interface may overlap anything.
        is_object: bool,
        /// Its fields.
        fields: HashMap<String, OutputField>,
    },
    /// Some of the objects.
    Union,
}

/// A scalar whose values are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A whole number of 32 bits.
    Int,
    /// A number.
    Float,
    /// A text.
    String,
    /// True or false.
    Boolean,
    /// A text or a whole number.
    Id,
    /// A text as RFC 3339 has it.
    DateTime,
    /// A day as RFC 3339 has it.
    Date,
    /// A scalar this list does not have: the library looks at its values, late.
    Other,
}

/// A place for a value: an argument, or a field of an object that is sent.
#[derive(Debug)]
pub struct Input {
    /// What it takes.
    pub ty: Type,
    /// Whether it may be left out although it cannot be null.
    pub has_default: bool,
}

/// Places for values, by name.
pub type Inputs = HashMap<String, Input>;

/// An object that is sent.
#[derive(Debug)]
pub struct InputObject {
    /// Its fields.
    pub fields: Inputs,
    /// The fields that must be there.
    pub required: Vec<String>,
    /// Whether it has exactly one field.
    pub one_of: bool,
}

/// A field that is answered.
#[derive(Debug)]
pub struct OutputField {
    /// Its arguments.
    pub arguments: Inputs,
    /// The name of its type.
    pub type_name: String,
}

impl Types {
    /// Reads a schema in its definition language.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn read(sdl: &str) -> Result<Self, Error> {
        let builtin = [
            ("Int", Scalar::Int),
            ("Float", Scalar::Float),
            ("String", Scalar::String),
            ("Boolean", Scalar::Boolean),
            ("ID", Scalar::Id),
        ];
        let mut types = Self {
            named: builtin
                .into_iter()
                .map(|(name, scalar)| (name.to_owned(), Definition::Scalar(scalar)))
                .collect(),
            directives: HashMap::new(),
            query: None,
            mutation: None,
            subscription: None,
        };
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let name =
                        |root: Option<Positioned<Name>>| root.map(|root| root.node.to_string());
                    types.query = name(schema.node.query);
                    types.mutation = name(schema.node.mutation);
                    types.subscription = name(schema.node.subscription);
                }
                TypeSystemDefinition::Type(definition) => {
                    let name = definition.node.name.node.to_string();
                    types.named.insert(name, read(definition.node));
                }
                TypeSystemDefinition::Directive(directive) => {
                    let name = directive.node.name.node.to_string();
                    let arguments = inputs(directive.node.arguments);
                    types.directives.insert(name, arguments);
                }
            }
        }
        types.add_type_field();
        Ok(types)
    }

    /// The one field with an argument that must be given and that no schema prints: `__type(name:)`.
    fn add_type_field(&mut self) {
        let name = Input {
            ty: Type {
                base: BaseType::Named(Name::new("String")),
                nullable: false,
            },
            has_default: false,
        };
        let field = OutputField {
            arguments: HashMap::from([("name".to_owned(), name)]),
            type_name: "__Type".to_owned(),
        };
        let root = self
            .query
            .as_ref()
            .and_then(|name| self.named.get_mut(name));
        if let Some(Definition::Output { fields, .. }) = root {
            fields.insert("__type".to_owned(), field);
        }
    }

    /// The arguments of a directive.
    pub fn directive(&self, name: &str) -> Option<&Inputs> {
        self.directives.get(name)
    }

    /// A type by its name.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.named.get(name)
    }

    /// The type an operation begins with.
    pub fn root(&self, operation: OperationType) -> Option<&str> {
        match operation {
            OperationType::Query => self.query.as_deref(),
            OperationType::Mutation => self.mutation.as_deref(),
            OperationType::Subscription => self.subscription.as_deref(),
        }
    }

    /// Whether values of this type can be sent.
    pub fn is_input(&self, name: &str) -> bool {
        matches!(
            self.get(name),
            Some(Definition::Scalar(_) | Definition::Enum(_) | Definition::Input(_))
        )
    }

    /// Whether this is the name of an object.
    pub fn is_object(&self, name: &str) -> bool {
        matches!(
            self.get(name),
            Some(Definition::Output {
                is_object: true,
                ..
            })
        )
    }

    /// The scalars whose values nobody looks at before the operation runs.
    pub fn unknown_scalars(&self) -> Vec<&str> {
        self.named
            .iter()
            .filter(|(_, definition)| matches!(definition, Definition::Scalar(Scalar::Other)))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The name inside the lists of a type.
pub fn base_name(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => base_name(item),
    }
}

fn read(definition: TypeDefinition) -> Definition {
    let one_of = definition
        .directives
        .iter()
        .any(|directive| directive.node.name.node == "oneOf");
    match definition.kind {
        TypeKind::Scalar if definition.name.node == "DateTime" => {
            Definition::Scalar(Scalar::DateTime)
        }
        TypeKind::Scalar if definition.name.node == "Date" => Definition::Scalar(Scalar::Date),
        TypeKind::Scalar => Definition::Scalar(Scalar::Other),
        TypeKind::Enum(values) => Definition::Enum(
            values
                .values
                .into_iter()
                .map(|value| value.node.value.node.to_string())
                .collect(),
        ),
        TypeKind::InputObject(object) => Definition::Input(input(object, one_of)),
        TypeKind::Object(object) => Definition::Output {
            is_object: true,
            fields: outputs(object.fields),
        },
        TypeKind::Interface(interface) => Definition::Output {
            is_object: false,
            fields: outputs(interface.fields),
        },
        TypeKind::Union(_) => Definition::Union,
    }
}

fn input(object: InputObjectType, one_of: bool) -> InputObject {
    let required = object
        .fields
        .iter()
        .map(|field| &field.node)
        .filter(|field| !field.ty.node.nullable && field.default_value.is_none())
        .map(|field| field.name.node.to_string())
        .collect();
    InputObject {
        fields: inputs(object.fields),
        required,
        one_of,
    }
}

fn inputs(values: Vec<Positioned<InputValueDefinition>>) -> Inputs {
    values
        .into_iter()
        .map(|value| {
            let value = value.node;
            let input = Input {
                ty: value.ty.node,
                has_default: value.default_value.is_some(),
            };
            (value.name.node.to_string(), input)
        })
        .collect()
}

fn outputs(fields: Vec<Positioned<FieldDefinition>>) -> HashMap<String, OutputField> {
    fields
        .into_iter()
        .map(|field| {
            let field = field.node;
            let output = OutputField {
                arguments: inputs(field.arguments),
                type_name: base_name(&field.ty.node).to_owned(),
            };
            (field.name.node.to_string(), output)
        })
        .collect()
}
