using RagPlatform.SearchApi;

await SearchApiApp.Build(args).RunAsync();
