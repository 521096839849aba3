//! Issue, govern and verify API keys: open a database, enter an organization, act
