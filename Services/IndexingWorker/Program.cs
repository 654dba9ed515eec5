using RagPlatform.IndexingWorker;

await IndexingWorkerApp.Build(args).RunAsync();
