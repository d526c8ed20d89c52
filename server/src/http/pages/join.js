// Says what to type. The code stays in the browser.
document.getElementById("command").textContent = `cordboard join '${location.href.replaceAll("'", "%27")}'`;
