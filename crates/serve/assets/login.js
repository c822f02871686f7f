// Trades the token for the cookie that the page needs.
import { choose, preferred, t, translate } from "./language.js";

choose(preferred());
translate(document);

document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const note = document.getElementById("note");
  note.textContent = "";
  try {
    const response = await fetch("/api/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: document.getElementById("token").value }),
    });
    if (response.ok) location.reload();
    else note.textContent = t(response.status === 401 ? "wrongToken" : "unreachableServer");
  } catch {
    note.textContent = t("unreachableServer");
  }
});
