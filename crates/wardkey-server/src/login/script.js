"use strict";
const part = (id) => document.getElementById(id);
let token = location.hash.slice(1);
// What is in the address bar is seen by whoever looks, and kept in the history.
if (token) history.replaceState(null, "", location.pathname + location.search);

async function send(path, body) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    // Beside this page, whatever path the server stands below.
    answer = await fetch("v1/" + path, { credentials: "same-origin", ...(body && post) });
  } catch {
    throw new Error("The server cannot be reached. Try again in a moment.");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  const faults = (problem.errors || []).map((fault) => "It " + fault.detail + ".");
  const error = new Error([problem.detail || "Something went wrong.", ...faults].join(" "));
  error.status = answer.status;
  error.code = problem.code;
  throw error;
}

function show(title, form, note) {
  document.title = part("title").textContent = title;
  for (const name of ["choose", "accept", "login"]) part(name).hidden = form !== name;
  part("note").textContent = note || "";
  part("problem").textContent = "";
  const field = form && part(form).querySelector("input, button");
  (field || part("title")).focus();
}

function onSubmit(form, act) {
  part(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = part(form).querySelector("button");
    button.disabled = true;
    part("problem").textContent = "";
    try {
      await act();
    } catch (error) {
      part("problem").textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}

onSubmit("choose", async () => {
  const password = part("first").value;
  if (password !== part("again").value) throw new Error("The two passwords are not the same.");
  try {
    await send("links/redeem", { token, password });
  } catch (error) {
    if (error.status === 404) throw new Error("The link has been used or is over. Ask for another one.");
    if (error.code === "password_is_set") return show("Log in", "login", error.message);
    throw error;
  }
  part("choose").reset();
  token = "";
  show("Log in", "login", "The password is set. Log in with it.");
});

async function accept() {
  try {
    await send("links/accept", { token });
  } catch (error) {
    if (error.status === 401) return show("Log in", "login", "Log in to accept the invitation.");
    const other = "The link has been used or is over, or is for somebody else than who is logged in.";
    if (error.status === 404) return show("Log in", "login", other);
    throw error;
  }
  token = "";
  show("You are a member now", null, "You are logged in, and can close this page.");
}

onSubmit("accept", accept);
part("other").addEventListener("click", () => show("Log in", "login"));

onSubmit("login", async () => {
  await send("sessions", { email: part("email").value, password: part("password").value });
  part("login").reset();
  if (token) return accept();
  show("You are logged in", null, "You can close this page.");
});

async function begin() {
  if (!token) return show("Log in", "login");
  try {
    const { purpose } = await send("links/inspect", { token });
    if (purpose === "set_password") return show("Choose a password", "choose");
    const isLoggedIn = await send("me").then(() => true, () => false);
    if (isLoggedIn) show("Accept the invitation", "accept");
    else show("Log in", "login", "Log in to accept the invitation.");
  } catch (error) {
    token = "";
    const over = "The link has been used or is over. Log in, or ask for another one.";
    show("Log in", "login", error.status === 404 ? over : "");
    if (error.status !== 404) part("problem").textContent = error.message;
  }
}
begin();
