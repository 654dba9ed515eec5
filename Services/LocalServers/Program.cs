using RagPlatform.LocalServers;

return await ServerLauncher.RunAsync(args);
