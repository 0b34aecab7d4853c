mod call;
mod fake;
mod list;
mod redirect;
mod session;
mod stdio;
