//! Open Responses server.
