// What the pages gain where there is JavaScript: a button that shows a password, and forms that cannot be
// sent twice. Without it every page works just as well.
"use strict";

for (const field of document.querySelectorAll("input[type=password]")) {
  // An <input>, because the first <button> of a form is the one that says yes.
  const toggle = document.createElement("input");
  toggle.type = "button";
  toggle.className = "toggle";
  toggle.setAttribute("aria-controls", field.id);
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    toggle.value = shown ? "Hide" : "Show";
    toggle.setAttribute("aria-label", shown ? "Hide password" : "Show password");
  };
  toggle.addEventListener("click", () => show(field.type === "password"));
  // Browsers remember text fields, but not passwords.
  field.form.addEventListener("submit", () => show(false));
  show(false);
  field.after(toggle);
}

const sent = new Set();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (sent.has(form)) {
    event.preventDefault();
    return;
  }
  sent.add(form);
  const pressed = event.submitter;
  const status = document.createElement("p");
  status.className = "unseen";
  status.setAttribute("role", "status");
  form.append(status);
  // Later, since a disabled button's name and value would not be sent.
  setTimeout(() => {
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    form.setAttribute("aria-busy", "true");
    pressed?.classList.add("working");
    status.textContent = "One moment, please.";
  });
});

// The back button may bring a page back as it was left.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of sent) {
    for (const button of form.querySelectorAll("button")) {
      button.disabled = false;
      button.classList.remove("working");
    }
    form.removeAttribute("aria-busy");
    form.querySelector("[role=status]")?.remove();
  }
  sent.clear();
});
