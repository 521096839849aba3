//! The API: pipelines, each in a workspace, kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use wardkey_axum::{ApiKey, KeyLayer, Refusal, Verifier, WorkspaceId, permissions};

permissions! {
    "Pipelines" {
        pub PipelinesRead = "pipelines:read", read, "See pipelines";
        pub PipelinesRun = "pipelines:run", write, "Run pipelines"
    }
}

/// The routes, all of which need a key.
pub(crate) fn app(verifier: Verifier) -> Router {
    Router::new()
        .route("/pipelines", get(list_pipelines))
        .route("/workspaces/{workspace_id}/pipelines", get(list_pipelines_in_workspace))
        .route("/workspaces/{workspace_id}/pipelines/{name}/runs", post(run_pipeline))
        .with_state(Pipelines::default())
        .layer(KeyLayer::new(verifier))
}

async fn list_pipelines(
    key: ApiKey<PipelinesRead>,
    State(pipelines): State<Pipelines>,
) -> Json<Vec<Pipeline>> {
    Json(key.workspaces().flat_map(|workspace| pipelines.list(workspace)).collect())
}

async fn list_pipelines_in_workspace(
    key: ApiKey<PipelinesRead>,
    Path(workspace): Path<String>,
    State(pipelines): State<Pipelines>,
) -> Result<Json<Vec<Pipeline>>, Refusal> {
    let workspace = key.in_workspace(workspace)?;
    Ok(Json(pipelines.list(workspace)))
}

async fn run_pipeline(
    key: ApiKey<PipelinesRun>,
    Path((workspace, name)): Path<(String, String)>,
    State(pipelines): State<Pipelines>,
) -> Result<(StatusCode, Json<Pipeline>), Refusal> {
    let workspace = key.in_workspace(workspace)?;
    let pipeline = pipelines.run(workspace, &name).ok_or_else(|| key.not_found())?;
    tracing::info!(key = %key.key().key, %workspace, name, "pipeline started");
    Ok((StatusCode::ACCEPTED, Json(pipeline)))
}

/// A pipeline as clients see it.
#[derive(Debug, Serialize)]
struct Pipeline {
    workspace_id: String,
    name: &'static str,
    /// How often it was run.
    runs: u64,
}

/// Every workspace has the same two pipelines; what differs is how often they were run.
#[derive(Debug, Clone, Default)]
struct Pipelines {
    runs: Arc<Mutex<BTreeMap<(WorkspaceId, &'static str), u64>>>,
}

const NAMES: [&str; 2] = ["nightly", "import"];

impl Pipelines {
    fn list(&self, workspace: WorkspaceId) -> Vec<Pipeline> {
        let runs = self.lock();
        let pipeline = |name| Pipeline {
            workspace_id: workspace.to_string(),
            name,
            runs: runs.get(&(workspace, name)).copied().unwrap_or_default(),
        };
        NAMES.map(pipeline).into()
    }

    fn run(&self, workspace: WorkspaceId, name: &str) -> Option<Pipeline> {
        let name = NAMES.into_iter().find(|known| *known == name)?;
        let mut runs = self.lock();
        let runs = runs.entry((workspace, name)).or_default();
        *runs += 1;
        Some(Pipeline { workspace_id: workspace.to_string(), name, runs: *runs })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(WorkspaceId, &'static str), u64>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
