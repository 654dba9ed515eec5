using RagPlatform.SingleNode;

return await SingleNodeCommand.RunAsync(args);
