using RagPlatform.SearchApi;
using RagPlatform.ServiceDefaults;

return await ServiceRunner.RunAsync(() => SearchApiApp.Build(args));
