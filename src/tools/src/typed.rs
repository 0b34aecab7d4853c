//! A tool made of a function with arguments of its own type.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Tool, ToolContext, ToolError, ToolFuture, ToolOutput, ToolSpec};

/// An async function as a tool. The schema comes from the type of its arguments.
pub struct FunctionTool<A, F> {
    spec: ToolSpec,
    run: F,
    arguments: PhantomData<fn(A)>,
}

impl<A, F, R> FunctionTool<A, F>
where
    A: JsonSchema + DeserializeOwned + Send + 'static,
    F: Fn(A, ToolContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<ToolOutput, ToolError>> + Send + 'static,
{
    /// `spec` says everything but the schema.
    pub fn new(spec: ToolSpec, run: F) -> Self {
        Self { spec: spec.arguments::<A>(), run, arguments: PhantomData }
    }
}

impl<A, F, R> Tool for FunctionTool<A, F>
where
    A: JsonSchema + DeserializeOwned + Send + 'static,
    F: Fn(A, ToolContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<ToolOutput, ToolError>> + Send + 'static,
{
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn execute(&self, arguments: Value, context: ToolContext) -> ToolFuture<'_> {
        Box::pin(async move {
            // A type can ask for more than its schema says.
            let arguments = serde_json::from_value(arguments)
                .map_err(|error| ToolError::new(format!("the arguments do not fit: {error}")))?;
            (self.run)(arguments, context).await
        })
    }
}
