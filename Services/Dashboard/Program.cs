using RagPlatform.Dashboard;

await DashboardApp.Build(args).RunAsync();
