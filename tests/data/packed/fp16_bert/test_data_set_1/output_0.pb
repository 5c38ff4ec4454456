 
Blast_hidden_stateJ@½5û>¦8ì§¹K¹¿K7¾›<8X8R¼<u>W»lªX=žµh ª½»4¾iº„-*Àc>'4ò¸»;º