//! What the engine's tests share: a player of scripts, and the words they are written in.
#![allow(dead_code, reason = "every test target compiles all of this and uses a part")]
#![expect(unreachable_pub, reason = "`pub` marks what tests may call; there is no crate to export to")]

pub mod mcp;
pub mod play;
pub mod restart;
pub mod scenario;
pub mod script;
pub mod server_tools;
pub mod tool_loop;
