"use strict";
// In a frame of Kubeflow's dashboard the namespace is the one that is chosen there. The dashboard serves the library that
// says so; the page knows no other than its own server, which is the same.
(() => {
  const { root, place } = document.body.dataset;
  if (window.parent === window) return;

  function follow(namespace) {
    if (namespace && namespace !== place) location.assign(`${root}${encodeURIComponent(namespace)}/`);
  }

  const library = document.createElement("script");
  library.src = "/dashboard_lib.bundle.js";
  library.addEventListener("load", () => {
    window.centraldashboard?.CentralDashboardEventHandler.init((dashboard) => {
      dashboard.onNamespaceSelected = follow;
    });
  });
  document.head.append(library);
})();
