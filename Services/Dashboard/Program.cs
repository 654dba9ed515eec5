using RagPlatform.Dashboard;
using RagPlatform.ServiceDefaults;

return await ServiceRunner.RunAsync(() => DashboardApp.Build(args));
