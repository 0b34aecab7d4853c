mod command;
mod http;
mod run;
