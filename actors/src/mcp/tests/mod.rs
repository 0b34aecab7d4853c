mod call;
mod fake;
mod large;
mod list;
mod redirect;
mod session;
mod stdio;
