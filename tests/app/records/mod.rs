//! How large responses and their records may be, and what becomes of those that cannot be written.

mod full_disk;
mod output;
mod quota;
mod too_large;
