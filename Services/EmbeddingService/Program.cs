using RagPlatform.EmbeddingService;

await EmbeddingServiceApp.Build(args).RunAsync();
