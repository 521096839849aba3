//! The Wardkey server: an OpenAPI-documented admin API for API keys
