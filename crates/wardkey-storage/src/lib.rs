//! Wardkey's storage: SQLite and PostgreSQL, each query written once
