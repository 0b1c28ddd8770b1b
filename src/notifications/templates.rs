//! The texts of messages. Templates are part of the executable; what users write only ever fills
//! their blanks.

use handlebars::{Handlebars, RenderError, TemplateError, no_escape};
use serde::Serialize;

/// The messages of this server.
#[derive(Debug)]
pub struct Templates {
    /// For subjects and plain text: nothing is escaped.
    text: Handlebars<'static>,
    /// Everything is escaped.
    html: Handlebars<'static>,
}

/// A message with its blanks filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For those who read plain text.
    pub text: String,
    /// For the others.
    pub html: String,
}

impl Templates {
    /// Reads the templates.
    ///
    /// # Errors
    /// When one is broken.
    pub fn new() -> Result<Self, TemplateError> {
        let mut text = Handlebars::new();
        text.set_strict_mode(true);
        text.register_escape_fn(no_escape);
        let mut html = Handlebars::new();
        html.set_strict_mode(true);
        text.register_template_string(
            "task_assigned/subject",
            include_str!("../../templates/task_assigned/subject.txt").trim_end(),
        )?;
        text.register_template_string(
            "task_assigned/body",
            include_str!("../../templates/task_assigned/body.txt"),
        )?;
        html.register_template_string(
            "task_assigned/body",
            include_str!("../../templates/task_assigned/body.html"),
        )?;
        Ok(Self { text, html })
    }

    /// Fills the blanks of a message.
    pub fn render(
        &self,
        message: &str,
        data: &impl Serialize,
    ) -> Result<Rendered, Box<RenderError>> {
        let body = format!("{message}/body");
        Ok(Rendered {
            subject: self
                .text
                .render(&format!("{message}/subject"), data)
                .map_err(Box::new)?,
            text: self.text.render(&body, data).map_err(Box::new)?,
            html: self.html.render(&body, data).map_err(Box::new)?,
        })
    }
}
