// Sends the answer to the client by itself (OAuth 2.0 Form Post Response Mode §2). A parameter may be called
// `submit` and hide the form's own method, so that the prototype's is called.
HTMLFormElement.prototype.submit.call(document.forms[0]);
