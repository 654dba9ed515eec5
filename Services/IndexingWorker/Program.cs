using RagPlatform.IndexingWorker;
using RagPlatform.ServiceDefaults;

return await ServiceRunner.RunAsync(() => IndexingWorkerApp.Build(args));
