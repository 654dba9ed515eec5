using RagPlatform.EmbeddingService;
using RagPlatform.ServiceDefaults;

return await ServiceRunner.RunAsync(() => EmbeddingServiceApp.Build(args));
